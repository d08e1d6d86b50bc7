"""Kept anomaly maps of a part, drawn over its images as the detector saw them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from gad.harness import images
from gad.harness.errors import StoreError
from gad.harness.nouns import Sample
from gad.harness.overlay import overlay
from gad.harness.store import mapfiles
from gad.leaderboard import details


@dataclass(frozen=True)
class Heat:
    """The kept maps of a part: their file, the images ``ids`` they belong to, and their lowest and highest value.

    ``shared``: all are drawn on that one scale, else each from its own least to its own most, without which
    the map of a missed anomaly could not be seen. ``why`` they cannot be drawn, if so; then there are no ``ids``.
    """

    results: Path
    file: str
    ids: frozenset[str] = frozenset()
    low: float = 0.0
    high: float = 0.0
    shared: bool = False
    why: str = ""


def find(results: Path, part_id: str) -> Heat | None:
    """What was kept of a part; None where that is nothing."""
    listed = details.ask(results, "SELECT file FROM part_maps WHERE part_id = ? AND file != ''", (part_id,))
    if listed.empty:
        return None
    file = str(listed["file"].iloc[0])
    try:
        kept = _maps(results, file)
    except StoreError as error:
        return Heat(results, file, why=error.message)
    if kept.seen is None:
        why = "its file is of an older version, which did not write down how images were cropped"
        return Heat(results, file, why=why)
    return Heat(results, file, frozenset(kept.ids), float(kept.maps.min()), float(kept.maps.max()))


@lru_cache(maxsize=8)
def _maps(results: Path, file: str) -> mapfiles.Maps:
    return mapfiles.read(results, file)


def draw(root: Path, sample: Sample, heat: Heat) -> tuple[Image.Image, Image.Image | None]:
    """The image as the detector saw it, RGB, with its map over it; and its mask, seen alike.

    ``sample`` must be one of ``heat.ids``. Raises DataError as :func:`images.open_image`.
    """
    kept = _maps(heat.results, heat.file)
    assert kept.seen is not None
    seen = Image.fromarray(images.to_pixels(images.open_image(root, sample), kept.seen))
    own = kept.maps[kept.ids.index(sample.id)].astype(np.float32)
    low, high = (heat.low, heat.high) if heat.shared else (float(own.min()), float(own.max()))
    heated = overlay(seen, own, low, high)
    if not sample.mask:
        return heated, None
    marked = images.mask_pixels(images.open_mask(root, sample), kept.seen)
    return heated, Image.fromarray(marked.astype(np.uint8) * 255)


def most(heat: Heat, sample_id: str) -> float | None:
    """The highest value of one image's map; None where its map was not kept."""
    if sample_id not in heat.ids:
        return None
    kept = _maps(heat.results, heat.file)
    return float(kept.maps[kept.ids.index(sample_id)].max())


def words(heat: Heat) -> str:
    """What the colours mean, or why there are none."""
    if heat.why:
        return f"Maps were kept of this part, but cannot be drawn: {heat.why}."
    range_ = f"{heat.low:.3g} to {heat.high:.3g}"
    scale = (
        f"from the least (clear) to the most (yellow) of all maps kept here, {range_}"
        if heat.shared
        else f"each from its own least (clear) to its own most (yellow); all maps kept here go from {range_}"
    )
    return f"Colours: the detector's map over the image as it saw it, {scale}. Outlined: the mask."
