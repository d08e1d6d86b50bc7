"""CIFAR-10 under two protocols: each class against the other nine, and animals against vehicles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gad.datasets import classes, trees
from gad.datasets.classes import Labelled, multi_class, one_vs_all
from gad.datasets.looks import wrong_folder
from gad.datasets.progress import track
from gad.harness.built import Built
from gad.harness.errors import DataError
from gad.harness.manifest import sample_id
from gad.harness.nouns import DatasetInfo, Split

BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
EXPECTED = "data_batch_1 ... data_batch_5 and test_batch, or train/<class>/*.png and test/<class>/*.png"

# In the order of the publisher's labels 0..9.
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")

_TRAIN = (5000,) * 10
_TEST = (1000,) * 10

_LICENCE = "not verified; ask the publisher before redistributing"
_CITATION = "A. Krizhevsky. Learning Multiple Layers of Features from Tiny Images. Technical report, 2009."
_SOURCE = "https://www.cs.toronto.edu/~kriz/cifar.html"

INFOS = (
    DatasetInfo(
        name="cifar10-one-vs-all",
        title="CIFAR-10, one class against all",
        protocol="one-vs-all",
        licence=_LICENCE,
        citation=_CITATION,
        source=_SOURCE,
        notes="The publisher's own split, as in the paper. Train images of the category's class are normal; in "
        "the test split, which is whole in every category, the other nine classes are anomalous.",
        expected=one_vs_all({name: name for name in CLASSES}, _TRAIN, _TEST),
        authors_split="the same: the publisher's",
        builder="gad.datasets.cifar10:build",
    ),
    DatasetInfo(
        name="cifar10-multi-class",
        title="CIFAR-10, animals against vehicles",
        protocol="multi-class",
        licence=_LICENCE,
        citation=_CITATION,
        source=_SOURCE,
        notes="The publisher's own split, as in the paper. Animals are normal, vehicles anomalous.",
        expected=multi_class("animal", "animal", [name in ANIMALS for name in CLASSES], _TRAIN, _TEST),
        authors_split="the same: the publisher's",
        builder="gad.datasets.cifar10:build",
    ),
)


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Samples of either protocol. Batches become one array file a split, image folders are used in place."""
    warnings: list[str] = []
    batched = trees.locate(raw, lambda place: bool(_batches(place))) if raw else []
    folders = trees.locate(raw, _has_folders) if raw and not batched else []
    if batched:
        images = _from_batches(_batches(batched[0]), made)
    elif folders:
        images = classes.of_folders(folders[0], CLASSES, warnings)
    else:
        raise wrong_folder(info.name, raw, EXPECTED)
    normal = {"animal": ANIMALS} if info.protocol == "multi-class" else {name: (name,) for name in CLASSES}
    there = classes.learnable(images, normal)
    return Built(
        samples=tuple(classes.samples(images, there, {name: name for name in CLASSES})),
        root=folders[0] if folders else None,
        texts={c.category: c.text for c in info.expected if c.category in there},
        warnings=tuple(warnings),
    )


def _batches(place: Path) -> dict[str, Path]:
    """The six batches by name, for Python or binary; nothing when none is there."""
    for suffix in ("", ".bin"):
        found = {name: place / (name + suffix) for name in BATCHES if (place / (name + suffix)).is_file()}
        if found:
            return found
    return {}


def _from_batches(found: Mapping[str, Path], made: Path) -> list[Labelled]:
    import numpy as np

    from gad.datasets import batches

    if missing := [name for name in BATCHES if name not in found]:
        place = next(iter(found.values())).parent
        raise DataError(
            f"{place} has no {', '.join(missing)}: only {', '.join(found)}", fix="Unpack the download again."
        )
    images = []
    splits: tuple[Split, Split] = ("train", "test")
    for split in splits:
        names = [name for name in BATCHES if (name == "test_batch") == (split == "test")]
        read = [batches.read(found[name]) for name in track(names, f"reading {split}")]
        ids = [
            sample_id(name, f"{index:04d}")
            for name, (_, labels) in zip(names, read, strict=True)
            for index in range(len(labels))
        ]
        shows = [CLASSES[label] for _, labels in read for label in labels]
        images += classes.of_array(made, split, np.concatenate([pixels for pixels, _ in read]), shows, ids)
    return images


def _has_folders(place: Path) -> bool:
    """Whether both splits are there, as folders that hold classes."""
    splits = [classes.split_folder(place, split) for split in classes.SPLITS]
    return all(split and any(f.name.lower() in CLASSES for f in trees.folders(split)) for split in splits)
