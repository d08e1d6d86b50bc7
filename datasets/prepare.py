"""From a name and a raw folder to a prepared dataset, once: doing it again changes nothing."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from gad.datasets import catalog, own
from gad.datasets.building import build, build_once, intact
from gad.datasets.lock import alone
from gad.harness import atomic, manifest
from gad.harness.errors import DataError
from gad.harness.ids import source_digest
from gad.harness.manifest import Prepared
from gad.harness.nouns import DatasetInfo

STAMP = "made-by.txt"  # digest of the code that made a bundled dataset's files


def is_path(name: str) -> bool:
    """Whether ``name`` means a folder rather than a dataset of the catalog."""
    return name not in catalog.DATASETS and (os.sep in name or name in (".", "..") or Path(name).is_dir())


def card(name: str) -> DatasetInfo:
    """Card of a dataset named by the catalog or by a folder's path. DataError for an unknown name."""
    return own.card(Path(name)) if is_path(name) else catalog.find(name)


def prepare(name: str, raw: Path | None, data: Path) -> Prepared:
    """Prepare the dataset ``name`` in ``data``: of the catalog, or images of your own.

    Your own are named by the path of their folder, or by their name once they are prepared. ``raw`` is the
    raw folder of a dataset of the catalog; bundled ones need none. What is prepared already and would come
    out the same is left untouched. Raises DataError when the raw folder is not what it should be.
    """
    if name not in catalog.DATASETS:
        return _prepare_own(name, raw, data)
    info = catalog.find(name)
    if info.bundled:
        if raw is not None:
            raise DataError(f"{info.name} is bundled and has no raw folder", fix="Leave --raw away.")
        return ensure_bundled(info.name, data)
    with alone(data, info.name):
        return build_once(info, raw, data)


def prepare_own(name: str, raw: Path, data: Path) -> Prepared:
    """Prepare the images in ``raw`` (a folder, a list, an archive) under a name of your choice."""
    info = own.card(raw, name)
    with alone(data, info.name):
        return build_once(info, raw, data)


def _prepare_own(name: str, raw: Path | None, data: Path) -> Prepared:
    """As :func:`prepare`, for a path, or for a name that was given before or is the raw folder's."""
    if is_path(name):
        if raw is not None and raw.resolve() != Path(name).resolve():
            raise DataError(
                f"{name} is a folder, and so is {raw}",
                fix="Name the folder once, without --raw; or say what to call it with --name.",
            )
        return prepare_own("", Path(name), data)
    known = manifest.exists(data, name)
    if raw is not None and (known or unicodedata.normalize("NFC", raw.resolve().name) == name):
        return prepare_own(name, raw, data)
    if known:
        return again(name, data)
    raise catalog.unknown(name)


def again(name: str, data: Path) -> Prepared:
    """Images of your own that were prepared under a name, with what has changed in their folder since."""
    return prepare_own(name, folder_of(manifest.load(data, name)), data)


def by_name(name: str, data: Path) -> Prepared:
    """A dataset as it is prepared in ``data``; a folder is read, and a bundled one prepared if it has to be.

    Raises DataError for an unknown name, and for one that is not prepared.
    """
    if name not in catalog.DATASETS:
        return prepare(name, None, data)
    return ensure_bundled(name, data) if catalog.find(name).bundled else manifest.load(data, name)


def folder_of(prepared: Prepared) -> Path:
    """The folder (or list, or archive) that images of your own were prepared from."""
    if prepared.named:
        return Path(prepared.named)
    root = prepared.root_path
    names = {unicodedata.normalize("NFC", place.name): place for place in (root.parent, root)}
    return names.get(prepared.name, root)


def ensure_bundled(name: str, data: Path) -> Prepared:
    """Prepare a bundled dataset unless it is there, whole, and made by the code that is installed.

    Raises DataError for a name that is not a bundled dataset's.
    """
    info = catalog.find(name)
    if not info.bundled:
        raise DataError(
            f"{name} is not bundled", fix=f"Run `harness data prepare {name} --raw DIR --data {data}`."
        )
    stamp = _source()
    if (whole := intact(info.name, data)) and _stamp(data, name) == stamp:
        return whole
    with alone(data, name):
        if (whole := intact(name, data)) and _stamp(data, name) == stamp:  # another process was faster
            return whole
        prepared = build(info, None, data)
        atomic.write_bytes(data / name / STAMP, stamp.encode())
    return prepared


def _source() -> str:
    """Digest of the code that makes bundled data."""
    here = Path(__file__).parent
    return source_digest(here.glob("*.py"), here)


def _stamp(data: Path, name: str) -> str:
    try:
        return (data / name / STAMP).read_text()
    except (OSError, UnicodeDecodeError):
        return ""
