"""Generated surfaces with defects and masks, in MVTec layout. Bundled: drawn when first prepared.

``textures`` is for testing; ``textures-auxiliary`` has other surfaces and is for training only. The
images are BMP files, so their bytes depend on no compressor's version.
"""

from __future__ import annotations

from pathlib import Path

from gad.harness.built import Built
from gad.harness.nouns import Category, DatasetInfo

TRAIN, TEST_GOOD, PER_DEFECT = 28, 20, 7
DEFECTS = 4  # kinds of defect per category

_CATEGORIES = ("brushed_metal", "fabric", "leather", "mesh", "tiles", "wood")
_TRAINING_CATEGORIES = ("carpet", "corrugated", "foam", "granite", "gravel", "knit", "paper", "stripes")


def _expected(categories: tuple[str, ...]) -> tuple[Category, ...]:
    return tuple(
        Category(
            category=name,
            text=name.replace("_", " "),
            train_normal=TRAIN,
            test_normal=TEST_GOOD,
            test_anomalous=DEFECTS * PER_DEFECT,
        )
        for name in categories
    )


INFOS = (
    DatasetInfo(
        name="textures",
        title="Generated surfaces with defects",
        protocol="industrial",
        licence="same as this software; the images are generated",
        citation="",
        notes="128x128 RGB, drawn by this package; every image has its own pose, light and noise. For trying "
        "things out: results on it say nothing about a real inspection task.",
        bundled=True,
        expected=_expected(_CATEGORIES),
        builder="gad.datasets.textures:build",
    ),
    DatasetInfo(
        name="textures-auxiliary",
        title="Generated surfaces with defects, for training",
        protocol="industrial",
        licence="same as this software; the images are generated",
        citation="",
        notes="128x128 RGB, drawn by this package; shares no surface with `textures`.",
        bundled=True,
        auxiliary_only=True,
        expected=_expected(_TRAINING_CATEGORIES),
        builder="gad.datasets.textures:build",
    ),
)


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Draw every image of the dataset into ``made`` (some seconds) and read it like any folder."""
    from gad.datasets import folder, texture_kinds

    for category, surface in sorted(texture_kinds.surfaces_of(info.name).items()):
        sets = [("train", "good", TRAIN), ("test", "good", TEST_GOOD)]
        sets += [("test", defect, PER_DEFECT) for defect in surface.defects]
        for split, defect, count in sets:
            for number in range(count):
                _write(made / category, info.name, split, defect, number)
    built = folder.read(made, info.name)
    return built.model_copy(update={"root": None})


def _write(place: Path, dataset: str, split: str, defect: str, number: int) -> None:
    from PIL import Image

    from gad.datasets import texture_drawing

    pixels, mask = texture_drawing.draw(dataset, place.name, split, defect, number)
    files = [(place / split / defect / f"{number:03d}.bmp", pixels)]
    if mask is not None:
        files.append((place / "ground_truth" / defect / f"{number:03d}_mask.bmp", mask))
    for path, content in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(content).save(path)
