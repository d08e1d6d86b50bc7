"""From a name and a raw folder to a prepared dataset, once: doing it again changes nothing."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gad.datasets import archives, catalog, own, seen
from gad.datasets.looks import WrongFolderError
from gad.harness import atomic, manifest
from gad.harness.built import Built
from gad.harness.errors import DataError
from gad.harness.ids import source_digest
from gad.harness.manifest import Prepared
from gad.harness.nouns import Category, DatasetInfo, Sample

VERIFIED = "verified: this is the complete official set"
COUNTS = ("train_normal", "test_normal", "test_anomalous")
MOST_NESTED = 3  # an archive in an archive, in a folder
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
    with _alone(data, info.name):
        return _build_once(info, raw, data)


def prepare_own(name: str, raw: Path, data: Path) -> Prepared:
    """Prepare the images in ``raw`` (a folder, a list, an archive) under a name of your choice."""
    info = own.card(raw, name)
    with _alone(data, info.name):
        return _build_once(info, raw, data)


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
    if (whole := _whole(info.name, data)) and _stamp(data, name) == stamp:
        return whole
    with _alone(data, name):
        if (whole := _whole(name, data)) and _stamp(data, name) == stamp:  # another process was faster
            return whole
        prepared = _build(info, None, data)
        atomic.write_bytes(data / name / STAMP, stamp.encode())
    return prepared


def _build(info: DatasetInfo, raw: Path | None, data: Path) -> Prepared:
    """Run the builder, and write what it made unless the same is there."""
    made = atomic.temporary_name(data / info.name)
    made.mkdir()
    try:
        built = _read(info, raw, made, data)
        warnings = [*built.warnings, *_unexpected(info, built), *_replaced(info, built, data)]
        same = _whole(info.name, data)
        named = None if info.name in catalog.DATASETS else raw
        if same and _as_written(same) == _as_built(info, built, named):
            return same
        return manifest.write(
            data,
            info,
            built.samples,
            root=built.root,
            texts=built.texts,
            made=made,
            named=named,
            warnings=warnings,
        )
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _as_written(prepared: Prepared) -> tuple[object, ...]:
    """Everything that preparing may change, also what is in no fingerprint: where each file lies, and the card."""
    texts = {category.category: category.text for category in prepared.categories}
    places = sorted(map(_place, manifest.read_samples(prepared)))
    card = (prepared.title, prepared.licence, prepared.citation, prepared.protocol)
    return prepared.root, prepared.named, prepared.fingerprint, texts, card, places


def _as_built(info: DatasetInfo, built: Built, named: Path | None) -> tuple[object, ...]:
    root = "." if built.root is None else str(built.root.resolve())
    given = "" if named is None else str(named.resolve())
    card = (info.title, info.licence, info.citation, info.protocol)
    places = sorted(map(_place, built.samples))
    return root, given, manifest.fingerprint(built.samples), built.texts, card, places


def _place(sample: Sample) -> tuple[str, ...]:
    return sample.category, sample.split, sample.id, sample.path, sample.mask


def _build_once(info: DatasetInfo, raw: Path | None, data: Path) -> Prepared:
    """As _build, but nothing is read when neither the raw tree nor what was prepared from it has changed."""
    if raw is None:
        return _build(info, raw, data)
    before = seen.listing(raw)
    if seen.unchanged(data / info.name, raw, before):
        with contextlib.suppress(DataError):
            return manifest.load(data, info.name)
    prepared = _build(info, raw, data)
    seen.note(data / info.name, raw, before, _elsewhere(prepared, raw))
    return prepared


def _read(info: DatasetInfo, raw: Path | None, made: Path, data: Path) -> Built:
    """What the builder finds in the raw folder, or in the archives that are there in its place."""
    builder = _builder(info)
    given = raw
    for _ in range(MOST_NESTED):
        try:
            return builder(raw, made, info)
        except WrongFolderError as error:
            packed = archives.found(raw) if raw else []
            if not packed:
                if raw == given:
                    raise
                raise WrongFolderError(f"{error.message} {given} unpacks to that.", fix=error.fix) from error
            raw = archives.unpack(packed, data)
    return builder(raw, made, info)


def _elsewhere(prepared: Prepared, raw: Path) -> Path | None:
    root = prepared.root_path
    return None if prepared.root == "." or root.is_relative_to(raw.resolve()) else root


def _builder(info: DatasetInfo) -> Callable[[Path | None, Path, DatasetInfo], Built]:
    module, _, function = info.builder.partition(":")
    builder: Callable[[Path | None, Path, DatasetInfo], Built] = getattr(
        importlib.import_module(module), function
    )
    return builder


def _unexpected(info: DatasetInfo, built: Built) -> list[str]:
    if not info.expected:
        return []
    return count_differences(info, manifest.summarise(built.samples, built.texts))


def count_differences(info: DatasetInfo, found: Iterable[Category]) -> list[str]:
    """One text for the categories that are not there, and one for each with other counts than the official set."""
    by_name = {category.category: category for category in found}
    absent = [wanted.category for wanted in info.expected if wanted.category not in by_name]
    texts = []
    if absent:
        texts.append(
            f"only {len(by_name)} of {len(info.expected)} categories are there; not {', '.join(absent)}: "
            "a mean over the dataset is over those alone"
        )
    for wanted in info.expected:
        have = by_name.get(wanted.category)
        if have and not all(_agrees(field, have, wanted, info) for field in COUNTS):
            texts.append(
                f"category {wanted.category}: found {_counts(have)}, expected {_counts(wanted, info.about)}; "
                "compare the raw folder with the official download"
            )
    return texts


def _agrees(field: str, have: Category, wanted: Category, info: DatasetInfo) -> bool:
    """Whether a count is as expected; one that is known only roughly may be off by a tenth."""
    found, right = getattr(have, field), getattr(wanted, field)
    return abs(found - right) <= right / 10 if field in info.about else found == right


def _counts(category: Category, about: tuple[str, ...] = ()) -> str:
    return ", ".join(
        f"{'about ' if field in about else ''}{getattr(category, field)} {field.replace('_', ' ')}"
        for field in COUNTS
    )


def official(prepared: Prepared) -> str:
    """Whether this is the complete official set: ``verified``, or how it differs; "" where nobody knows."""
    info = catalog.DATASETS.get(prepared.name)
    if info is None or not info.fingerprint:
        return ""
    if info.fingerprint == prepared.fingerprint:
        return VERIFIED
    differences = count_differences(info, prepared.categories)
    return "differs from the official set: " + (
        "; ".join(differences)
        or "the counts are right, but not the names or the content of all files, or the split"
    )


def _replaced(info: DatasetInfo, built: Built, data: Path) -> list[str]:
    """A warning when other images of another folder were prepared under this name."""
    if built.root is None or not manifest.exists(data, info.name):
        return []
    try:
        before = manifest.load(data, info.name)
    except DataError:
        return []
    root = str(built.root.resolve())
    if before.root == root or before.fingerprint == manifest.fingerprint(built.samples):
        return []
    return [
        f"other images, prepared before as {info.name!r} from {before.root}, were replaced by those of {root}"
    ]


def _whole(name: str, data: Path) -> Prepared | None:
    """The prepared dataset, if its manifest can be read and its own files are those of the manifest."""
    try:
        prepared = manifest.load(data, name)
        samples = manifest.read_samples(prepared)
    except DataError:
        return None
    if manifest.fingerprint(samples) != prepared.fingerprint:
        return None
    if prepared.root == ".":
        from gad.datasets.check_images import changed

        if changed(prepared.root_path, samples):
            return None
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


@contextlib.contextmanager
def _alone(data: Path, name: str) -> Iterator[None]:
    """Hold the dataset's lock in ``data``, and sweep up what a process that died at it left behind.

    Raises DataError where ``data`` cannot be written to.
    """
    _require_writable(data)
    with atomic.folder_lock(data / f".{name}.lock"):
        left = re.compile(re.escape(f"{atomic.TEMPORARY}{name}-") + r"\d+-[0-9a-f]{8}")
        for entry in data.iterdir():
            if left.fullmatch(entry.name):
                shutil.rmtree(entry, ignore_errors=True)
        yield


def _require_writable(data: Path) -> None:
    problem = ""
    try:
        atomic.make_folder(data)
    except OSError as error:
        problem = f"cannot be used: {error.filename or data}: {error.strerror or error}"
    if not problem and not os.access(data, os.W_OK | os.X_OK):
        problem = "is read-only"
    if problem:
        raise DataError(
            f"data folder {data} {problem}", fix="Name one to prepare datasets in with --data DIR."
        )
