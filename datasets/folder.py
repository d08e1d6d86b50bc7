"""Any folder in MVTec layout is a dataset; also a folder that is one category by itself.

<category>/train/good/*                          normal images to learn from
<category>/test/good/*, <category>/test/<defect>/*
<category>/ground_truth/<defect>/<stem>_mask.*   optional masks
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from gad.datasets import trees
from gad.datasets.looks import wrong_folder
from gad.datasets.progress import track
from gad.harness.built import Built
from gad.harness.errors import DataError
from gad.harness.manifest import file_digest, sample_id
from gad.harness.nouns import Category, DatasetInfo, Sample, Split

GOOD = "good"
BESIDE = frozenset({"ground_truth"})  # folders beside categories that are known not to be one
CONVERTED = (
    "{folder}: read in MVTec layout, with the split that is there; its files have other names than those of "
    "the raw download, and so other prompts are drawn: results are in a column of their own"
)
LAYOUT = "<category>/train/good, <category>/test/good and <category>/test/<defect>"


def read(raw: Path, name: str) -> Built:
    """Samples of a tree in MVTec layout. Class text is the category's name with ``_`` as a space.

    Raises DataError, naming the folder, when the layout is not that, or a category has no ``train/good``
    or no test images.
    """
    warnings: list[str] = []
    root, categories = _categories(raw, name, warnings)
    samples = [s for category, folder in categories for s in _category(root, category, folder, warnings)]
    return Built(
        samples=tuple(samples),
        root=root,
        texts={category: category.replace("_", " ") for category, _ in categories},
        warnings=tuple(warnings),
    )


def expected(counts: Mapping[str, tuple[int, int, int]]) -> tuple[Category, ...]:
    """Categories of an official set by name, from train normal, test normal and test anomalous images."""
    return tuple(
        Category(
            category=name,
            text=name.replace("_", " "),
            train_normal=train,
            test_normal=normal,
            test_anomalous=anomalous,
        )
        for name, (train, normal, anomalous) in counts.items()
    )


def read_single(raw: Path | None, info: DatasetInfo, expected: str) -> Built:
    """The samples of a dataset of one category that somebody has converted to MVTec layout, split and all.

    The category's folder is found wherever it is nested, and sample ids start in it. Raises DataError,
    as of a wrong folder, when there is not exactly one; ``expected`` says what the raw folder holds.
    """
    found = (
        trees.locate(raw, lambda place: (place / "train" / GOOD).is_dir() and _is_category(place))
        if raw
        else []
    )
    if len(found) != 1:
        raise wrong_folder(info.name, raw, expected)
    (category,) = info.expected
    warnings = [CONVERTED.format(folder=found[0])]
    samples = _category(found[0], category.category, found[0], warnings)
    texts = {category.category: category.text}
    return Built(samples=tuple(samples), root=found[0], texts=texts, warnings=tuple(warnings))


def read_categories(root: Path, names: list[str], only: str = "") -> Built:
    """Those of the categories ``names`` that are in ``root``, or the one that is asked for.

    Other folders there are named in the warnings.
    """
    warnings: list[str] = []
    places = [place for place in trees.folders(root) if looks_like_category(place)]
    others = [place.name for place in places if place.name not in names]
    there = [place for place in places if place.name in ([only] if only else names)]
    if others:
        warnings.append(f"{root}: ignored, as they are not of the dataset: {trees.shortened(others)}")
    return Built(
        samples=tuple(s for place in there for s in _category(root, place.name, place, warnings)),
        root=root,
        texts={place.name: place.name.replace("_", " ") for place in there},
        warnings=tuple(warnings),
    )


def looks_like_category(folder: Path) -> bool:
    """Whether a folder is meant as a category: a half of one is an error that reading it names."""
    return (folder / "train").is_dir() or (folder / "test").is_dir()


def _is_category(folder: Path) -> bool:
    return (folder / "train").is_dir() and (folder / "test").is_dir()


def _categories(raw: Path, name: str, warnings: list[str]) -> tuple[Path, list[tuple[str, Path]]]:
    """Root that sample paths start from, and (category, folder) pairs.

    Archives often hold everything in one more folder; that folder is then the root, so that ids do not
    depend on how an archive was unpacked. Where some folders have both train/ and test/, the others beside
    them are named in ``warnings``; a lone folder with one of them is a broken category, and reading it says so.
    """
    if not raw.is_dir():
        raise DataError(f"{name}: {raw}: {trees.found_in(raw)}", fix=f"Give a folder that holds {LAYOUT}.")
    if looks_like_category(raw):
        return raw, [(unicodedata.normalize("NFC", raw.resolve().name), raw)]
    root = raw
    for _ in range(2):
        inner = trees.folders(root)
        found = [folder for folder in inner if looks_like_category(folder)]
        if found:
            found = [folder for folder in found if _is_category(folder)] or found
            warnings += [
                f"{folder}: ignored, as it is no category: {trees.found_in(folder)}; expected train/{GOOD}, "
                f"test/{GOOD} and test/<defect> in it, in these letters"
                for folder in inner
                if folder not in found and folder.name not in BESIDE
            ]
            return root, [(unicodedata.normalize("NFC", folder.name), folder) for folder in found]
        if len(inner) != 1:
            break
        root = inner[0]
    raise DataError(
        f"{name}: no category in {raw}: {trees.found_in(raw)}; expected {LAYOUT}",
        fix="Give the folder that holds the categories, or a category (with train/ and test/ in it).",
    )


def _category(root: Path, category: str, folder: Path, warnings: list[str]) -> list[Sample]:
    good = folder / "train" / GOOD
    if not good.is_dir():
        raise DataError(
            f"{category}: no normal train images: {good} is missing ({folder / 'train'}: "
            f"{trees.found_in(folder / 'train')})",
            fix=f"Put the normal images of {category} into {good}.",
        )
    others = [
        f"{e.name}/" if e.is_dir() else e.name for e in trees.entries(folder / "train") if e.name != GOOD
    ]
    if others:
        warnings.append(f"{folder / 'train'}: only {GOOD}/ is read, ignored: {trees.shortened(others)}")
    samples = _images(root, category, "train", good, {}, warnings)
    for defect in trees.folders(folder / "test") if (folder / "test").is_dir() else []:
        masks = {} if defect.name == GOOD else _masks(folder / "ground_truth" / defect.name, warnings)
        samples += _images(root, category, "test", defect, masks, warnings)
    for split, place in (("train", good), ("test", folder / "test")):
        if not any(sample.split == split for sample in samples):
            raise DataError(
                f"{category}: no {split} images in {place}: {trees.found_in(place)}",
                fix=f"Expected {LAYOUT}, with images that end in {' '.join(sorted(trees.IMAGE_SUFFIXES))}.",
            )
    return samples


def _images(
    root: Path, category: str, split: Split, folder: Path, masks: dict[str, list[Path]], warnings: list[str]
) -> list[Sample]:
    """Samples of one folder; those outside a folder named ``good`` are anomalous."""
    defect = "" if folder.name == GOOD else unicodedata.normalize("NFC", folder.name)
    files = trees.images(folder, warnings)
    warnings += trees.zero_byte_warnings(files)
    from gad.harness.images import mask_digest

    samples = []
    for file in track(files, f"reading {category}"):
        own = masks.pop(_stem(file), [])
        samples.append(
            Sample(
                id=sample_id(trees.relative(file, root)),
                path=trees.relative(file, root),
                label=1 if defect else 0,
                split=split,
                category=category,
                digest=file_digest(file),
                defect=defect,
                mask="\n".join(trees.relative(mask, root) for mask in own),
                mask_digest=mask_digest([mask.read_bytes() for mask in own]) if own else "",
            )
        )
    if masks:
        left = trees.shortened(mask.name for own in masks.values() for mask in own)
        warnings.append(f"{folder}: no image for these masks, which are ignored: {left}")
    without = [s.id for s in samples if not s.mask]
    if without and len(without) < len(samples):
        warnings.append(f"{folder}: without a mask, unlike the others: {trees.shortened(without)}")
    return samples


def _masks(folder: Path, warnings: list[str]) -> dict[str, list[Path]]:
    """Masks by the stem of their image: ``000_mask.png`` belongs to ``000``, whatever their suffixes.

    So do ``000_mask1.png`` and ``000_mask2.png``, which are united.
    """
    found: dict[str, list[Path]] = {}
    if folder.is_dir():
        for mask in trees.images(folder, warnings):
            found.setdefault(re.sub(r"_mask\d*$", "", _stem(mask)), []).append(mask)
    return found


def _stem(path: Path) -> str:
    return unicodedata.normalize("NFC", path.stem)
