"""KolektorSDD: electrical commutators, each image seen as three thirds along its height."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from gad.datasets import folder, pool, trees
from gad.datasets.progress import track
from gad.harness.built import Built
from gad.harness.errors import DataError
from gad.harness.manifest import file_digest, sample_id
from gad.harness.nouns import Category, DatasetInfo, Sample

LABEL = "_label"
EXPECTED = "kos01/Part0.jpg, kos01/Part0_label.bmp, ..."

INFO = DatasetInfo(
    name="sdd",
    title="KolektorSDD commutators",
    protocol="industrial",
    licence="CC BY-NC-SA 4.0",
    citation="D. Tabernik, S. Šela, J. Skvarč, D. Skočaj. Segmentation-Based Deep-Learning Approach for "
    "Surface-Defect Detection. Journal of Intelligent Manufacturing, 2020.",
    source="https://www.vicos.si/resources/kolektorsdd/",
    notes="Each image is cut into three along its height, at h//3 and 2h//3; a third is anomalous if its mask "
    "is not empty. Normal thirds, sorted by path, are split 3:1 with train_test_split(test_size=0.25, "
    "random_state=42). The InCTRL authors split an unsorted directory listing, so their split cannot be had: "
    "the counts are theirs, the images in each part are not. Thirds of one image can be in train and in test.",
    expected=(Category(category="sdd", text="SDD", train_normal=857, test_normal=286, test_anomalous=54),),
    authors_split="cannot be had: it followed an unsorted directory listing; the counts are the same",
    builder="gad.datasets.sdd:build",
)


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Thirds of the raw folder's images, as crops. Raises DataError when an image or its label is unusable."""
    found = trees.locate(raw, lambda place: bool(_items(place))) if raw else []
    if not found:
        return folder.read_single(raw, info, EXPECTED)
    root = found[0]
    warnings = [f"{place}: ignored, as {root} is read" for place in found[1:]]
    pairs = [pair for item in _items(root) for pair in _pairs(item, warnings)]
    thirds = [_thirds(root, *pair, info.name) for pair in track(pairs, f"reading {info.name}")]
    warnings += _duplicates([image for image, _ in pairs], thirds)
    samples = pool.split([sample for three in thirds for sample in three], info.name)
    texts = {c.category: c.text for c in info.expected}
    return Built(samples=samples, root=root, texts=texts, warnings=tuple(warnings))


def _items(place: Path) -> list[Path]:
    return [inner for inner in trees.folders(place) if re.fullmatch(r"kos\d+", inner.name, re.IGNORECASE)]


def _pairs(item: Path, warnings: list[str]) -> list[tuple[Path, Path]]:
    """Images of one item with their labels: ``Part0.jpg`` and ``Part0_label.bmp``."""
    files = trees.images(item, warnings)
    labels = {file.stem.lower().removesuffix(LABEL): file for file in files if _is_label(file)}
    pairs = []
    for image in (file for file in files if not _is_label(file)):
        label = labels.pop(image.stem.lower(), None)
        if label is None:
            raise DataError(
                f"{image} has no label: there is no {image.stem}{LABEL}.bmp beside it",
                fix="Unpack the download again, or remove the image if it is not of the dataset.",
            )
        pairs.append((image, label))
    if labels:
        named = trees.shortened(str(label) for label in labels.values())
        warnings.append(f"{item}: no image for these labels, which are ignored: {named}")
    return pairs


def _is_label(file: Path) -> bool:
    return file.stem.lower().endswith(LABEL)


def _thirds(root: Path, image: Path, label: Path, category: str) -> list[Sample]:
    """The three thirds of an image, top to bottom; those with an empty mask are normal."""
    from gad.harness.images import crop_digest, marked

    mask = marked(label)
    width, height = trees.image_size(image)
    if mask.size != (width, height):
        raise DataError(
            f"{label} is {mask.size} pixels, its image {(width, height)}", fix="Unpack the download again."
        )
    path, whole, marks = trees.relative(image, root), file_digest(image), file_digest(label)
    cuts = (0, height // 3, height * 2 // 3, height)
    thirds = []
    for position, (top, bottom) in enumerate(pairwise(cuts)):
        crop = (0, top, width, bottom)
        anomalous = mask.crop(crop).getbbox() is not None
        thirds.append(
            Sample(
                id=sample_id(path, str(position)),
                path=path,
                crop=crop,
                label=1 if anomalous else 0,
                split="test",
                category=category,
                digest=crop_digest(whole, crop),
                defect="defect" if anomalous else "",
                mask=trees.relative(label, root) if anomalous else "",
                mask_digest=marks if anomalous else "",
            )
        )
    return thirds


def _duplicates(images: list[Path], thirds: list[list[Sample]]) -> list[str]:
    """Warnings for images with the same content: their thirds can be in train and in test at once."""
    first: dict[str, Path] = {}
    return [
        f"{image} has the same content as {same}: a test image may be a train image; remove one of them, "
        "unless you need the download as it is"
        for image, three in zip(images, thirds, strict=True)
        if (same := first.setdefault(three[0].digest, image)) != image
    ]
