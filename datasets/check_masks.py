"""Masks that are missing, doubled, empty, of another size than their image, or outside of what is looked at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from gad.datasets.trees import shortened
from gad.harness import images
from gad.harness.nouns import Sample

ERROR, WARNING = "error: ", "warning: "


def presence(samples: Iterable[Sample], told: Sequence[str], root: Path) -> list[str]:
    """Warnings for anomalous images without a mask where others have one, and for those with several.

    What the warnings ``told`` at preparing name already is not repeated.
    """
    by_category: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.label:
            by_category[sample.category].append(sample)
    problems = []
    said = "\n".join(told)
    for category, anomalous in by_category.items():
        without = [str(root / s.path) for s in anomalous if not s.mask and s.id not in said]
        if without and any(s.mask for s in anomalous):
            problems.append(
                f"{WARNING}category {category}: no mask for {shortened(without)}, unlike for other images; restore "
                "it from the download, or measures of pixels leave the image out"
            )
    several = {s.mask: s.path for group in by_category.values() for s in group if "\n" in s.mask}
    for mask, path in several.items():
        named = shortened(str(root / name) for name in images.mask_paths(mask))
        problems.append(
            f"{WARNING}image {root / path} has {len(images.mask_paths(mask))} masks, which are united: {named}; "
            "remove one if only the other is right"
        )
    return problems


def fit(
    root: Path, sample: Sample, size: Callable[[], tuple[int, int] | None], again: str
) -> tuple[str, float]:
    """What is wrong with the mask of one image ("" if nothing), and which share of it the crop cuts off.

    ``size`` gives the size of the file that the image is in, None where that cannot be read.
    """
    names = images.mask_paths(sample.mask)
    named = shortened(str(root / name) for name in names)
    try:
        if images.mask_digest((root / name).read_bytes() for name in names) != sample.mask_digest:
            return f"{ERROR}mask {named} changed since it was prepared: restore it, or {again}", 0.0
        found = images.open_mask(root, sample.model_copy(update={"crop": None})).size
        wanted = size() if sample.index is None else found
    except Exception as error:  # Pillow raises many kinds for damaged files: all mean "unreadable"
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        return f"{ERROR}mask {named} cannot be read ({reason}): restore it, then {again}", 0.0
    if wanted is not None and found != wanted:
        return f"{ERROR}mask {named} is {found} pixels, its image {wanted}: restore both, then {again}", 0.0
    mask = images.open_mask(root, sample)
    marked = mask.histogram()[255]
    if not marked:
        return f"{WARNING}mask {named} marks nothing; compare it with the download", 0.0
    side = min(mask.size)
    left, top = (mask.size[0] - side) // 2, (mask.size[1] - side) // 2
    lost = 1 - mask.crop((left, top, left + side, top + side)).histogram()[255] / marked
    if lost == 1:
        return (
            f"{WARNING}mask {named} ({sample.id}) lies outside the central square, which is all that CLIP's "
            "preprocessing (`resize: crop`) looks at: nobody can find this defect; `pad`, `squash` and `tile` keep it",
            lost,
        )
    return "", lost


def cut(samples: Sequence[Sample], lost: Sequence[float]) -> list[str]:
    """One warning a category for masks of which the crop cuts off a part."""
    by_category: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for sample, share in zip(samples, lost, strict=True):
        if 0 < share < 1:
            by_category[sample.category].append((share, sample.id))
    return [
        f"{WARNING}category {category}: CLIP's preprocessing (`resize: crop`) looks at the central square, which "
        f"cuts off a part of {len(found)} mask(s), most of {max(found)[1]} ({max(found)[0]:.0%}); `pad`, "
        "`squash` and `tile` keep all"
        for category, found in by_category.items()
    ]
