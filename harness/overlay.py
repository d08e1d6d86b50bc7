"""A detector's map over the image it belongs to, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRENGTH = 0.55  # how much of a picture the colour covers where the map is highest
# Dark blue, green, yellow: readable in grey and for the colour-blind (matplotlib's viridis, coarsely).
COLOURS = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], np.float32)


def overlay(image: Image.Image, heat: NDArray[np.floating], low: float, high: float) -> Image.Image:
    """RGB of the image's own size: ``heat`` ``[h, w]`` from ``low`` (clear) to ``high`` (yellow) over it.

    The map is stretched over the whole image, bilinear; give the image as the detector saw it (cropped).
    """
    scaled = np.clip((heat - low) / max(high - low, 1e-12), 0, 1).astype(np.float32)
    wide = Image.fromarray(scaled).resize(image.size, Image.Resampling.BILINEAR)
    level = np.asarray(wide)[..., None]
    places = np.linspace(0, 1, len(COLOURS))
    colour = np.concatenate([np.interp(level, places, channel) for channel in COLOURS.T], axis=-1)
    base = np.asarray(image.convert("RGB"), np.float32)
    mixed = base + (colour - base) * STRENGTH * level
    return Image.fromarray(np.rint(mixed).astype(np.uint8))
