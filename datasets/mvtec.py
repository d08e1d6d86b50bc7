"""MVTec AD: fifteen textures and objects with masks, in the layout that is named after it."""

from __future__ import annotations

from pathlib import Path

from gad.datasets import folder, trees
from gad.datasets.looks import wrong_folder
from gad.harness.built import Built
from gad.harness.nouns import DatasetInfo

EXPECTED = (
    "bottle/train/good, bottle/test/good, bottle/test/<defect>, bottle/ground_truth/<defect>, cable/..."
)

# Normal train, normal test and anomalous test images, as the publisher gives them.
_COUNTS = {
    "bottle": (209, 20, 63),
    "cable": (224, 58, 92),
    "capsule": (219, 23, 109),
    "carpet": (280, 28, 89),
    "grid": (264, 21, 57),
    "hazelnut": (391, 40, 70),
    "leather": (245, 32, 92),
    "metal_nut": (220, 22, 93),
    "pill": (267, 26, 141),
    "screw": (320, 41, 119),
    "tile": (230, 33, 84),
    "toothbrush": (60, 12, 30),
    "transistor": (213, 60, 40),
    "wood": (247, 19, 60),
    "zipper": (240, 32, 119),
}

INFO = DatasetInfo(
    name="mvtec",
    title="MVTec AD",
    protocol="industrial",
    licence="CC BY-NC-SA 4.0",
    citation="P. Bergmann, M. Fauser, D. Sattlegger, C. Steger. MVTec AD: A Comprehensive Real-World Dataset "
    "for Unsupervised Anomaly Detection. CVPR 2019.",
    source="https://www.mvtec.com/company/research/datasets/mvtec-ad",
    notes="The publisher's own split, which the InCTRL authors use too.",
    expected=folder.expected(_COUNTS),
    authors_split="the same: the publisher's",
    builder="gad.datasets.mvtec:build",
)


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Samples of the categories that are there, in place. Raises DataError when there is none."""
    found = trees.locate(raw, _holds_categories) if raw else []
    only = ""
    if raw and not found and _is_category(raw.resolve()):
        found = [raw.resolve().parent]  # a single category was named: ids start with its name all the same
        only = raw.resolve().name
    if not found:
        raise wrong_folder(info.name, raw, EXPECTED)
    return folder.read_categories(found[0], list(_COUNTS), only)


def _holds_categories(place: Path) -> bool:
    return any(_is_category(inner) for inner in trees.folders(place))


def _is_category(place: Path) -> bool:
    return place.name in _COUNTS and (place / "train").is_dir() and (place / "test").is_dir()
