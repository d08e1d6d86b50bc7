"""MNIST under two protocols: each digit against the other nine, and even digits against odd ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from gad.datasets import classes, trees
from gad.datasets.classes import Labelled, multi_class, one_vs_all
from gad.datasets.looks import wrong_folder
from gad.harness.built import Built
from gad.harness.errors import DataError
from gad.harness.manifest import sample_id
from gad.harness.nouns import DatasetInfo, Split

NAME = re.compile(r"(train|t10k)-(images|labels)[-.]idx[13]-ubyte(\.gz)?$")
EXPECTED = "train-images-idx3-ubyte.gz and the three files with it, or train/0/*.png ... test/9/*.png"

# Images of each digit 0..9 in the publisher's train and test files.
_TRAIN = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
_TEST = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)

DIGITS = tuple(str(digit) for digit in range(10))
EVEN = DIGITS[0::2]

_LICENCE = "not verified; ask the publisher before redistributing"
_CITATION = (
    "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner. Gradient-Based Learning Applied to Document Recognition. "
    "Proceedings of the IEEE, 1998."
)
_SOURCE = "http://yann.lecun.com/exdb/mnist/"

INFOS = (
    DatasetInfo(
        name="mnist-one-vs-all",
        title="MNIST, one digit against all",
        protocol="one-vs-all",
        licence=_LICENCE,
        citation=_CITATION,
        source=_SOURCE,
        notes="The publisher's own split, as in the paper. Train images of the category's digit are normal; in "
        "the test split, which is whole in every category, the other nine digits are anomalous.",
        expected=one_vs_all({d: f"digit {d}" for d in DIGITS}, _TRAIN, _TEST),
        fingerprint="e1c456087b55a3a4b611f8df7a6eb9c23de52c137458d3ad15b1ee8ab0224540",
        authors_split="the same: the publisher's",
        builder="gad.datasets.mnist:build",
    ),
    DatasetInfo(
        name="mnist-multi-class",
        title="MNIST, even digits against odd ones",
        protocol="multi-class",
        licence=_LICENCE,
        citation=_CITATION,
        source=_SOURCE,
        notes="The publisher's own split, as in the paper. Even digits are normal, odd ones anomalous.",
        expected=multi_class("even", "even digit", [d in EVEN for d in DIGITS], _TRAIN, _TEST),
        fingerprint="6b670ad7ecec9d048cdd75635b8d231081bdf0fbc7c70cdab7293ed845948733",
        authors_split="the same: the publisher's",
        builder="gad.datasets.mnist:build",
    ),
)


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Samples of either protocol. Idx files become one array file a split, image folders are used in place."""
    warnings: list[str] = []
    files = _find(raw) if raw else {}
    folders = trees.locate(raw, _has_folders) if raw and not files else []
    if files:
        images = _from_idx(files, made)
    elif folders:
        images = classes.of_folders(folders[0], DIGITS, warnings)
    else:
        raise wrong_folder(info.name, raw, EXPECTED)
    normal = {"even": EVEN} if info.protocol == "multi-class" else {digit: (digit,) for digit in DIGITS}
    there = classes.learnable(images, normal)
    samples = classes.samples(images, there, {digit: f"digit {digit}" for digit in DIGITS})
    return Built(
        samples=tuple(samples),
        root=folders[0] if folders else None,
        texts={c.category: c.text for c in info.expected if c.category in there},
        warnings=tuple(warnings),
    )


def _find(raw: Path) -> dict[tuple[Split, str], Path]:
    """The four idx files by (split, ``images`` or ``labels``), or nothing when one of them is not there.

    They may be packed or not, with a dot or a dash in their names, and each in a folder of its own.
    """
    files = [path for place in trees.locate(raw, _has_idx) for path in _idx_files(place)]
    found: dict[tuple[Split, str], Path] = {}
    for path in files:
        match = NAME.match(path.name.lower())
        if match:
            found.setdefault(("train" if match[1] == "train" else "test", match[2]), path)
    return found if len(found) == 4 else {}


def _has_idx(place: Path) -> bool:
    return any(NAME.match(entry.name.lower()) for entry in trees.entries(place))


def _idx_files(place: Path) -> list[Path]:
    """Idx files in a folder, and in folders that are called like them."""
    named = [entry for entry in trees.entries(place) if NAME.match(entry.name.lower())]
    inner = [file for entry in named if entry.is_dir() for file in trees.entries(entry)]
    return [file for file in [*named, *inner] if file.is_file()]


def _from_idx(files: Mapping[tuple[Split, str], Path], made: Path) -> list[Labelled]:
    from gad.datasets import idx

    images = []
    splits: tuple[Split, Split] = ("train", "test")
    for split in splits:
        pixels = idx.read(files[split, "images"], idx.IMAGES)
        labels = idx.read(files[split, "labels"], idx.LABELS)
        if len(pixels) != len(labels) or labels.max() > 9:
            raise DataError(
                f"{files[split, 'labels']} has {len(labels)} labels up to {labels.max()}, "
                f"{files[split, 'images']} {len(pixels)} images",
                fix="Restore both from the download; the labels of MNIST are 0 to 9.",
            )
        # The publisher's name without .gz: ids do not depend on who unpacked what.
        name = f"{'train' if split == 'train' else 't10k'}-images-idx3-ubyte"
        ids = [sample_id(name, f"{index:05d}") for index in range(len(labels))]
        images += classes.of_array(made, split, pixels, [str(label) for label in labels], ids)
    return images


def _has_folders(place: Path) -> bool:
    """Whether both splits are there, as folders that hold digits."""
    splits = [classes.split_folder(place, split) for split in classes.SPLITS]
    return all(split and any(f.name in DIGITS for f in trees.folders(split)) for split in splits)
