"""From a card and a raw folder to what is written in the data folder, unless it would come out the same."""

from __future__ import annotations

import contextlib
import importlib
import shutil
from collections.abc import Callable
from pathlib import Path

from gad.datasets import archives, catalog, seen
from gad.datasets.expected import unexpected
from gad.datasets.looks import WrongFolderError
from gad.harness import atomic, manifest, manifestwrite
from gad.harness.built import Built
from gad.harness.errors import DataError
from gad.harness.manifest import Prepared
from gad.harness.nouns import DatasetInfo, Sample

MOST_NESTED = 3  # an archive in an archive, in a folder


def build_once(info: DatasetInfo, raw: Path | None, data: Path) -> Prepared:
    """As :func:`build`, but nothing is read when neither the raw tree nor what was prepared from it has changed."""
    if raw is None:
        return build(info, raw, data)
    before = seen.listing(raw)
    if seen.unchanged(data / info.name, raw, before):
        with contextlib.suppress(DataError):
            return manifest.load(data, info.name)
    prepared = build(info, raw, data)
    seen.note(data / info.name, raw, before, _elsewhere(prepared, raw))
    return prepared


def build(info: DatasetInfo, raw: Path | None, data: Path) -> Prepared:
    """Run the builder, and write what it made unless the same is there. The caller holds the dataset's lock."""
    made = atomic.temporary_name(data / info.name)
    made.mkdir()
    try:
        built = _read(info, raw, made, data)
        warnings = [*built.warnings, *unexpected(info, built), *_replaced(info, built, data)]
        same = intact(info.name, data)
        named = None if info.name in catalog.DATASETS else raw
        if same and _as_written(same) == _as_built(info, built, named):
            return same
        return manifestwrite.write(
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


def _builder(info: DatasetInfo) -> Callable[[Path | None, Path, DatasetInfo], Built]:
    module, _, function = info.builder.partition(":")
    builder: Callable[[Path | None, Path, DatasetInfo], Built] = getattr(
        importlib.import_module(module), function
    )
    return builder


def _elsewhere(prepared: Prepared, raw: Path) -> Path | None:
    root = prepared.root_path
    return None if prepared.root == "." or root.is_relative_to(raw.resolve()) else root


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


def intact(name: str, data: Path) -> Prepared | None:
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
