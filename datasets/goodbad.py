"""Two folders, one of good images and one of bad ones; or a pair of them for each category.

    good/*, bad/*                        bad/<kind of defect>/* tells kinds apart
    <category>/good/*, <category>/bad/*

The good ones are split 3:1 like those of other pools (detectors are shown some, and tested on the rest);
the bad ones are test images.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path

from gad.datasets import pool, trees
from gad.harness.built import Built
from gad.harness.errors import DataError
from gad.harness.nouns import Sample

GOOD = frozenset({"good", "ok", "normal", "normals", "pass", "passed", "fine"})
BAD = frozenset(
    {"bad", "ng", "nok", "defect", "defects", "defective", "faulty", "fail", "failed", "reject"}
    | {"anomaly", "anomalies", "anomalous", "abnormal", "broken", "damaged"}
)


def find(raw: Path) -> list[Path]:
    """Folders that hold a folder of good images or one of bad ones, none of them inside another."""
    return trees.locate(raw, lambda place: bool(_named(place, GOOD) or _named(place, BAD)))


def read(raw: Path, places: list[Path], name: str) -> Built:
    """Samples of the pairs; a pair in ``raw`` itself is a category of the dataset's ``name``.

    DataError for a pair of which one half is missing or empty, or there more than once, and for two pairs of
    one name.
    """
    names = Counter(unicodedata.normalize("NFC", place.name) for place in places)
    if doubled := [place for place in places if names[unicodedata.normalize("NFC", place.name)] > 1]:
        raise DataError(
            f"{name}: several categories would be called {doubled[0].name!r}: {trees.shortened(map(str, doubled))}",
            fix="Rename one of the folders, or prepare their images as datasets of their own.",
        )
    warnings: list[str] = []
    samples: list[Sample] = []
    texts = {}
    single = len(places) == 1
    for place in places:
        category = name if single else unicodedata.normalize("NFC", place.name)
        root = place if single else raw
        texts[category] = category.replace("_", " ")
        samples += pool.split(_pair(root, place, category, warnings), category)
    return Built(
        samples=tuple(samples), root=places[0] if single else raw, texts=texts, warnings=tuple(warnings)
    )


def _named(place: Path, names: frozenset[str]) -> list[Path]:
    return [inner for inner in trees.folders(place) if inner.name.lower() in names]


def _pair(root: Path, place: Path, category: str, warnings: list[str]) -> list[Sample]:
    """Images of one pair in the order of their names, not split yet."""
    good, bad = (_only(place, names, kind) for names, kind in ((GOOD, "good"), (BAD, "bad")))
    others = [inner.name for inner in trees.folders(place) if inner not in (good, bad)]
    if others:
        warnings.append(f"{place}: ignored, beside {good.name}/ and {bad.name}/: {trees.shortened(others)}")
    files = [(file, "") for file in trees.images(good, warnings)]
    bad_files = [(file, bad.name) for file in _images(bad, warnings)]
    for kind in trees.folders(bad):
        bad_files += [
            (file, unicodedata.normalize("NFC", kind.name)) for file in trees.images(kind, warnings)
        ]
    for folder, found in ((good, files), (bad, bad_files)):
        if not found:
            raise DataError(
                f"{category}: no images in {folder}: {trees.found_in(folder)}",
                fix=f"Put images into it that end in {' '.join(sorted(trees.IMAGE_SUFFIXES))}.",
            )
    files += bad_files
    warnings += trees.zero_byte_warnings(file for file, _ in files)
    return pool.images(root, files, category)


def _images(bad: Path, warnings: list[str]) -> list[Path]:
    """As trees.images, for a folder in which other folders mean something."""
    entries = [entry for entry in trees.entries(bad) if not entry.is_dir()]
    others = [entry.name for entry in entries if not trees.is_image(entry)]
    if others:
        warnings.append(f"{bad}: ignored, as it is no image: {trees.shortened(others)}")
    return [entry for entry in entries if trees.is_image(entry) and entry.is_file()]


def _only(place: Path, names: frozenset[str], kind: str) -> Path:
    found = _named(place, names)
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"{place} has several folders of {kind} images: {trees.shortened(f.name for f in found)}",
            fix=f"Put them into one folder {kind}/."
            + (" Folders in it may tell kinds of defects apart." if kind == "bad" else ""),
        )
    raise DataError(
        f"{place} has no folder of {kind} images: {trees.found_in(place)}",
        fix=f"Put some {kind} images into {place / kind}: detectors are "
        + ("shown good images and tested on others." if kind == "good" else "tested on bad images as well."),
    )
