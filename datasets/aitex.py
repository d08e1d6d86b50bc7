"""AITEX: strips of fabric, seen as squares of 256 pixels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from gad.datasets import folder, pool, trees
from gad.datasets.progress import track
from gad.harness.built import Built
from gad.harness.manifest import file_digest, sample_id
from gad.harness.nouns import Category, DatasetInfo, Sample

SIDE = 256
PARTS = ("NODefect_images", "Defect_images", "Mask_images")
EXPECTED = "NODefect_images/<fabric>/*.png, Defect_images/*.png and Mask_images/*_mask.png"
DEFECTS = {
    "002": "Broken_end",
    "006": "Broken_yarn",
    "010": "Broken_pick",
    "016": "Weft_curling",
    "019": "Fuzzyball",
    "022": "Cut_selvage",
    "023": "Crease",
    "025": "Warp_ball",
    "027": "Knots",
    "029": "Contamination",
    "030": "Nep",
    "036": "Weft_crack",
}

INFO = DatasetInfo(
    name="aitex",
    title="AITEX fabrics",
    protocol="industrial",
    licence="not verified; ask the publisher before redistributing",
    citation="J. Silvestre-Blanes, T. Albero-Albero, I. Miralles, R. Pérez-Llorens, J. Moreno. A Public Fabric "
    "Database for Defect Detection Methods and Results. AUTEX Research Journal, 2019.",
    source="https://www.aitex.es/afid/",
    notes="Strips are cut into squares of 256 pixels. All squares of defect-free strips are normal; a square "
    "of a defect strip is anomalous if its mask is not empty, and else left out. Normal squares, sorted by "
    "path, are split 3:1 with train_test_split(test_size=0.25, random_state=42). The InCTRL authors split an "
    "unsorted directory listing, so their split cannot be had: the counts are theirs, the images in each part "
    "are not. The number of anomalous squares is known only roughly (about 183): downloads differ in their masks.",
    expected=(
        Category(category="aitex", text="AITEX", train_normal=1692, test_normal=564, test_anomalous=183),
    ),
    about=("test_anomalous",),
    authors_split="cannot be had: it followed an unsorted directory listing; the counts are the same",
    builder="gad.datasets.aitex:build",
)


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Squares of the raw folder's strips, as crops. Raises DataError when a strip cannot be read."""
    found = trees.locate(raw, lambda place: all(_part(place, name) for name in PARTS)) if raw else []
    if not found:
        return folder.read_single(raw, info, EXPECTED)
    root = found[0]
    normal, defect, masks = (_part(root, name) or root for name in PARTS)
    warnings: list[str] = []
    strips = [(file, _normal_id(normal, file)) for file in _strips(normal, warnings)]
    defects = [(file, f"{PARTS[1]}/{file.name}") for file in _strips(defect, warnings)]
    marks = _masks(masks, defects, warnings)
    samples: list[Sample] = []
    for file, name in track(strips, f"reading {info.name}, defect-free strips"):
        samples += _squares(root, file, name, info.name)
    for file, name in track([d for d in defects if d[0] in marks], f"reading {info.name}, defect strips"):
        marked = [square for square in _squares(root, file, name, info.name, marks[file]) if square.label]
        if not marked:
            warnings.append(f"{file}: its mask marks nothing, so none of its squares is used")
        samples += marked
    texts = {c.category: c.text for c in info.expected}
    return Built(samples=pool.split(samples, info.name), root=root, texts=texts, warnings=tuple(warnings))


def _part(place: Path, name: str) -> Path | None:
    """One of the three folders, in any case; some downloads nest it in another of the same name."""
    for _ in range(2):
        inner = next((sub for sub in trees.folders(place) if sub.name.lower() == name.lower()), None)
        if inner is None:
            return place if place.name.lower() == name.lower() else None
        place = inner
    return place


def _strips(place: Path, warnings: list[str]) -> list[Path]:
    """Images of a folder and of the folders in it, sorted: fabrics, and in them strips."""
    files = []
    for entry in trees.entries(place):
        if entry.is_dir():
            files += trees.images(entry, warnings)
        elif trees.is_image(entry):
            files.append(entry)
        else:
            warnings.append(f"{place}: ignored, as it is no image: {entry.name}")
    return files


def _normal_id(place: Path, file: Path) -> str:
    """An id that does not depend on how the folders are nested."""
    return f"{PARTS[0]}/{trees.relative(file, place)}"


def _masks(place: Path, defects: list[tuple[Path, str]], warnings: list[str]) -> dict[Path, list[Path]]:
    """The masks of each defect strip: ``<name>_mask.png``, or ``_mask1`` and ``_mask2``, which are united.

    Spaces in a name do not count: some downloads have ``<name> _mask.png``. Strips without one, or with one of
    another size, are left out and named in ``warnings``.
    """
    by_strip: dict[str, list[Path]] = {}
    for file in _strips(place, warnings):
        by_strip.setdefault(re.sub(r"_mask\d*$", "", _stem(file)), []).append(file)
    found = {file: by_strip.pop(_stem(file)) for file, _ in defects if _stem(file) in by_strip}
    for file, _ in defects:
        if file not in found:
            warnings.append(f"{file}: skipped, as it has no mask {file.stem}_mask.png in {place}")
    for file, masks in list(found.items()):
        size = trees.image_size(file)
        others = [(mask, other) for mask in masks if (other := trees.image_size(mask)) != size]
        for mask, other in others[:1]:
            warnings.append(f"{file}: skipped, as it is {size} pixels and its mask {mask} is {other}")
            del found[file]
    for files in by_strip.values():
        named = ", ".join(str(file) for file in files)
        warnings.append(f"{named}: ignored, as there is no strip for it")
    return found


def _stem(file: Path) -> str:
    return file.stem.replace(" ", "").lower()


def _squares(root: Path, file: Path, name: str, category: str, masks: Sequence[Path] = ()) -> list[Sample]:
    """Squares of one strip from left to right; the last may be narrower. Anomalous where a mask marks anything."""
    from gad.harness.images import crop_digest, mask_digest, open_mask

    path, whole = trees.relative(file, root), file_digest(file)
    width, height = trees.image_size(file)
    strip = Sample(
        id=sample_id(name),
        path=path,
        label=0,
        split="test",
        category=category,
        digest=whole,
        mask="\n".join(trees.relative(mask, root) for mask in masks),
        mask_digest=mask_digest([mask.read_bytes() for mask in masks]) if masks else "",
    )
    mask = open_mask(root, strip) if masks else None
    squares = []
    for position, left in enumerate(range(0, width, SIDE)):
        crop = (left, 0, min(left + SIDE, width), height)
        anomalous = mask is not None and mask.crop(crop).getbbox() is not None
        changes = {"id": sample_id(name, f"{position:02d}"), "crop": crop, "digest": crop_digest(whole, crop)}
        if anomalous:
            squares.append(strip.model_copy(update={**changes, "label": 1, "defect": _defect(file)}))
        else:
            squares.append(strip.model_copy(update={**changes, "mask": "", "mask_digest": ""}))
    return squares


def _defect(file: Path) -> str:
    """The defect of a strip: the second field of its name is a code."""
    fields = file.stem.replace(" ", "").split("_")
    code = fields[1] if len(fields) > 1 else ""
    return DEFECTS.get(code, code or "defect")
