"""Any folder with a folder for each class, as anomaly detection: a ``dataset.yaml`` in it says how.

    train/<class>/*, test/<class>/*     or, without a split, <class>/*

    protocol: multi-class               one category: some classes are normal, the others anomalous
    normal_classes: [good, fine]
    category: part                      what it is called (default: normal)
    text: machine part                  its class text (default: that name)

    protocol: one-vs-all                a category for each class, in which all others are anomalous
    normal_classes: [good, fine]        only for these (default: for every class)
    texts: {good: good part}            class texts (default: the names of the classes)

    images: ../photos                   where the folders of the classes are, if not here
    title, licence, citation, source, notes

Without a split, a category's normals are split 3:1 like those of other pools, and everything else is test.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from gad.datasets import classes, pool, trees
from gad.datasets.classes import Labelled
from gad.datasets.progress import track
from gad.datasets.trees import DESCRIPTION as FILE
from gad.harness.built import Built
from gad.harness.errors import DataError, did_you_mean
from gad.harness.nouns import DatasetInfo, Frozen, Sample, Split

if TYPE_CHECKING:
    from pydantic import ValidationError

MOST_CHARACTERS = 1_000_000


class Description(Frozen):
    """What a ``dataset.yaml`` says. All values are text, as they are spelled: 01 and yes are names like others."""

    protocol: Literal["one-vs-all", "multi-class"]
    normal_classes: tuple[str, ...] = ()
    category: str = "normal"
    text: str = ""
    texts: dict[str, str] = Field(default_factory=dict)
    images: str = "."
    title: str = ""
    licence: str = "not stated"
    citation: str = ""
    source: str = ""
    notes: str = ""


def info_for(folder: Path, name: str) -> DatasetInfo:
    """Card of a folder with a ``dataset.yaml``. DataError when that file is wrong."""
    said = read(folder / FILE)
    return DatasetInfo(
        name=name,
        title=said.title or name,
        protocol=said.protocol,
        licence=said.licence,
        citation=said.citation,
        source=said.source or str(folder.resolve()),
        notes=said.notes or f"Labelled images; {FILE} says which are normal.",
        builder="gad.datasets.labelled:build",
    )


def read(path: Path) -> Description:
    """A description file. DataError that names everything wrong in it."""
    import yaml
    from pydantic import ValidationError

    text = trees.text_of(path)
    try:
        if len(text) > MOST_CHARACTERS:
            raise DataError(f"{path}: too large for a description", fix=_fix())
        content = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - text, lists and mappings alone
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not YAML: {' '.join(str(error).split())}", fix=_fix()) from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected `protocol: ...`, `normal_classes: [...]`", fix=_fix())
    try:
        said = Description(**{str(key): value for key, value in content.items()})
    except ValidationError as error:
        raise DataError(f"{path}: {_problems(error)}", fix=_fix()) from error
    if said.protocol == "multi-class" and not said.normal_classes:
        raise DataError(
            f"{path}: normal_classes is missing: multi-class needs to know what is normal", fix=_fix()
        )
    return said


def _problems(error: ValidationError) -> str:
    """What pydantic found, in the words of somebody who has never heard of it."""
    told = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            told.append(f"unknown key {key!r}.{did_you_mean(key, list(Description.model_fields))}")
        elif problem["type"] == "missing":
            told.append(f"{key} is missing")
        else:
            message = (
                problem["msg"].replace("Input should be", "should be").replace("a valid tuple", "a list")
            )
            told.append(f"{key} is {problem['input']!r}, {message}")
    return "; ".join(told)


def _fix() -> str:
    return "Write for example `protocol: multi-class` and `normal_classes: [good]`, where good is a folder of images."


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Samples of the folder, in place. DataError when its classes are not those of the description."""
    if raw is None:
        raise DataError(f"{info.name}: no folder given", fix="Say where it is with --raw DIR.")
    said = read(raw / FILE)
    root = (raw / said.images).resolve()
    if not root.is_dir():
        raise DataError(f"{raw / FILE}: images: there is no folder {root}", fix="Mend the path.")
    warnings: list[str] = []
    images, is_split = _images(root, warnings)
    names = sorted({image.shows for image in images})
    normal = _normal(said, names, raw / FILE)
    defects = {name: name for name in names}
    if is_split:
        if not said.normal_classes:  # a class of which there are only test images is anomalous everywhere
            normal = classes.learnable(images, normal)
        samples = classes.samples(images, normal, defects)
    else:
        pooled = {category: _pooled(images, category, own) for category, own in normal.items()}
        samples = [
            s for category, found in pooled.items() for s in pool.split(found, f"{info.name}, {category}")
        ]
    return Built(
        samples=tuple(samples), root=root, texts=_texts(said, list(normal)), warnings=tuple(warnings)
    )


def _images(root: Path, warnings: list[str]) -> tuple[list[Labelled], bool]:
    """All images in the order of their classes and names, and whether the folder has a split of its own."""
    places = {split: classes.split_folder(root, split) for split in classes.SPLITS}
    there = {split: place for split, place in places.items() if place}
    if len(there) == 1:
        (only,) = there
        raise DataError(
            f"{root} has a folder {there[only].name}, but none for the other split",
            fix="Give it both train/<class> and test/<class>, or only <class>.",
        )
    split_of: Mapping[Split, Path] = there or {"test": root}
    listed = [
        (file, split, unicodedata.normalize("NFC", folder.name))
        for split, place in split_of.items()
        for folder in trees.folders(place)
        for file in trees.images(folder, warnings)
    ]
    warnings += trees.zero_byte_warnings(file for file, _, _ in listed)
    if not listed:
        raise DataError(
            f"no images in {root}: {trees.found_in(root)}; expected a folder for each class, with images in it",
            fix=f"Put the images of each class into a folder of its own beside {FILE}.",
        )
    return [classes.in_place(root, *item) for item in track(listed, "reading images")], bool(there)


def _normal(said: Description, names: list[str], path: Path) -> dict[str, Sequence[str]]:
    """Which classes are normal in which category."""
    wrong = [name for name in (*said.normal_classes, *said.texts) if name not in names]
    if wrong:
        raise DataError(
            f"{path}: there is no folder for {', '.join(wrong)}.{did_you_mean(wrong[0], names)}",
            fix=f"The classes are {', '.join(names)}.",
        )
    if said.protocol == "multi-class":
        if set(said.normal_classes) == set(names):
            raise DataError(f"{path}: every class is normal, so nothing is left to find", fix=_fix())
        return {said.category: said.normal_classes}
    if len(names) < 2:
        raise DataError(f"{path}: one class alone cannot be one against all", fix="Add another class.")
    return {name: (name,) for name in said.normal_classes or names}


def _texts(said: Description, categories: list[str]) -> dict[str, str]:
    if said.protocol == "multi-class":
        return {said.category: said.text or said.category.replace("_", " ")}
    return {name: said.texts.get(name, name.replace("_", " ")) for name in categories}


def _pooled(images: list[Labelled], category: str, own: Sequence[str]) -> list[Sample]:
    """Every image as a category sees it, not split yet."""
    return classes.samples(images, {category: own}, {image.shows: image.shows for image in images})
