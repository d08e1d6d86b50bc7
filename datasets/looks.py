"""What a raw folder looks like, and the error when it is not what it should be."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from gad.datasets import trees
from gad.harness.errors import DataError

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".7z", ".rar")
MVTEC_LAYOUT = "a folder in MVTec layout"

_SIGNS: tuple[tuple[str, Callable[[set[str]], bool]], ...] = (
    ("headct", lambda names: {"labels.csv", "head_ct"} <= names),
    ("elpv", lambda names: {"labels.csv", "images"} <= names),
    ("brainmri", lambda names: {"no", "yes"} <= names),
    ("aitex", lambda names: "nodefect_images" in names or {"defect_images", "mask_images"} <= names),
    ("visa", lambda names: "split_csv" in names),
    ("sdd", lambda names: any(re.fullmatch(r"kos\d+", name) for name in names)),
    ("mnist", lambda names: any(re.search(r"(train|t10k)-labels.idx1-ubyte", name) for name in names)),
    ("cifar10", lambda names: any(re.fullmatch(r"data_batch_\d(\.bin)?", name) for name in names)),
)


def resembles(raw: Path) -> str:
    """Name of the dataset that ``raw`` looks like, ``"a folder in MVTec layout"``, or ``""``.

    MNIST and CIFAR-10, which have two names each, are ``mnist`` and ``cifar10``.
    """
    if not raw.is_dir():
        return ""
    places = [raw, *trees.folders(raw)]
    held = [{entry.name.lower() for entry in trees.entries(place)} for place in places]
    for names in held:
        for dataset, fits in _SIGNS:
            if fits(names):
                return dataset
    for place, names in zip(places, held, strict=True):
        if {"train", "test"} <= names:
            return _classes(place / "train") or MVTEC_LAYOUT
    return ""


def _classes(train: Path) -> str:
    """MNIST and CIFAR-10 as image folders have a folder for each class in ``train``."""
    if not train.is_dir():
        return ""
    names = {folder.name.lower() for folder in trees.folders(train)}
    if {"0", "1", "9"} <= names:
        return "mnist"
    return "cifar10" if {"airplane", "frog", "truck"} <= names else ""


def is_archive(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(ARCHIVES)


class WrongFolderError(DataError):
    """A raw folder is not the dataset's. If it holds archives, what they unpack to may be."""


def wrong_folder(dataset: str, raw: Path | None, expected: str) -> DataError:
    """The error for a raw folder that is not this dataset's."""
    if raw is None:
        return DataError(
            f"{dataset} needs its raw files: {expected}",
            fix=f"Download it (`harness data list` shows from where), then `harness data prepare {dataset} --raw DIR`.",
        )
    other = resembles(raw)
    hint = f" This looks like {other}, not {dataset}." if other and not dataset.startswith(other) else ""
    return WrongFolderError(
        f"{dataset}: {raw} is not its folder: {trees.found_in(raw)}; expected {expected}.{hint}",
        fix="Give the folder that the download unpacks to.",
    )
