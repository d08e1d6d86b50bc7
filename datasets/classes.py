"""Datasets of labelled classes as anomaly detection: one class against all, or some against the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gad.datasets import arrays, trees
from gad.datasets.progress import track
from gad.harness.manifest import file_digest, sample_id
from gad.harness.nouns import Category, Sample, Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What the folders of a split are called, in any case.
SPLITS: dict[Split, tuple[str, ...]] = {"train": ("train", "training"), "test": ("test", "testing")}


def one_vs_all(texts: Mapping[str, str], train: Sequence[int], test: Sequence[int]) -> tuple[Category, ...]:
    """Expected counts: a category for each class, in whose test split all other classes are anomalous.

    ``texts`` maps classes to class texts; ``train`` and ``test`` count the images of each, in that order.
    """
    return tuple(
        Category(
            category=name, text=text, train_normal=own, test_normal=tested, test_anomalous=sum(test) - tested
        )
        for (name, text), own, tested in zip(texts.items(), train, test, strict=True)
    )


def multi_class(
    category: str, text: str, normal: Sequence[bool], train: Sequence[int], test: Sequence[int]
) -> tuple[Category, ...]:
    """Expected counts: one category, in which the classes that are ``normal`` are together."""
    return (
        Category(
            category=category,
            text=text,
            train_normal=sum(n for n, own in zip(train, normal, strict=True) if own),
            test_normal=sum(n for n, own in zip(test, normal, strict=True) if own),
            test_anomalous=sum(n for n, own in zip(test, normal, strict=True) if not own),
        ),
    )


@dataclass(frozen=True)
class Labelled:
    """One image of a labelled set: which class it shows, and where it is. ``index``: in an array file."""

    shows: str
    split: Split
    id: str
    path: str
    digest: str
    index: int | None = None


def samples(
    images: Sequence[Labelled], normal: Mapping[str, Sequence[str]], defects: Mapping[str, str]
) -> list[Sample]:
    """For each category its normal train images and every test image.

    ``normal`` maps a category to the classes that are normal in it; ``defects`` a class to what it is
    called where it is anomalous.
    """
    found = []
    for category, own in normal.items():
        classes = frozenset(own)
        for image in images:
            anomalous = image.shows not in classes
            if image.split == "train" and anomalous:
                continue
            found.append(
                Sample(
                    id=image.id,
                    path=image.path,
                    index=image.index,
                    label=1 if anomalous else 0,
                    split=image.split,
                    category=category,
                    digest=image.digest,
                    defect=defects[image.shows] if anomalous else "",
                )
            )
    return found


def learnable(images: Iterable[Labelled], normal: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Those of the categories that have a normal train image."""
    there = {image.shows for image in images if image.split == "train"}
    return {category: own for category, own in normal.items() if there & set(own)}


def of_array(
    made: Path, split: Split, images: NDArray[np.uint8], classes: Iterable[str], ids: Iterable[str]
) -> list[Labelled]:
    """Write the images of a split into one file in ``made``, and list them."""
    from gad.harness.images import array_digest

    file = f"{split}.npy"
    arrays.write(made / file, images)
    listed = list(zip(images, classes, ids, strict=True))
    return [
        Labelled(shows=shows, split=split, id=name, path=file, digest=array_digest(image), index=index)
        for index, (image, shows, name) in enumerate(track(listed, f"reading {split}"))
    ]


def split_folder(place: Path, split: Split) -> Path | None:
    """``train/`` or ``training/`` (``test/`` or ``testing/``) of a folder, in any case."""
    return next((sub for sub in trees.folders(place) if sub.name.lower() in SPLITS[split]), None)


def of_folders(root: Path, known: Sequence[str], warnings: list[str]) -> list[Labelled]:
    """Images of ``train/<class>/*`` and ``test/<class>/*``, in place. Other folders are named in ``warnings``."""
    listed: list[tuple[Path, Split, str]] = []
    for split in SPLITS:
        place = split_folder(root, split)
        for folder in trees.folders(place) if place else []:
            name = folder.name.lower()
            if name not in known:
                warnings.append(f"{folder}: ignored, as it is not one of {', '.join(known)}")
                continue
            listed += [(file, split, name) for file in trees.images(folder, warnings)]
    warnings += trees.zero_byte_warnings(file for file, _, _ in listed)
    return [in_place(root, *item) for item in track(listed, "reading images")]


def in_place(root: Path, file: Path, split: Split, shows: str) -> Labelled:
    path = trees.relative(file, root)
    return Labelled(shows=shows, split=split, id=sample_id(path), path=path, digest=file_digest(file))
