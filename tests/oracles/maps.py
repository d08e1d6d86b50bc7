"""Maps straight from their definitions, in float64. Shares nothing with gad.models.feature_maps."""

from __future__ import annotations

import math

import numpy as np
from oracles.patchcore import upsampled

Array = np.ndarray


def smoothed(patch_map: Array, size: int, sigma: float = 4.0) -> Array:
    """[h, w] -> [size, size]: bilinear with pixel centres aligned, then a Gaussian cut at four sigma.

    Beyond the border the picture is mirrored, its edge included.
    """
    large = upsampled(patch_map[None].astype(np.float64), size, size)[0]
    reach = math.floor(4 * sigma + 0.5)
    offsets = range(-reach, reach + 1)
    kernel = np.array([[math.exp(-(v * v + u * u) / (2 * sigma * sigma)) for u in offsets] for v in offsets])
    kernel /= kernel.sum()
    rows = [mirrored(place, size) for place in range(-reach, size + reach)]
    padded = large[np.ix_(rows, rows)]
    out = np.zeros((size, size))
    for y in range(size):
        for x in range(size):
            out[y, x] = (kernel * padded[y : y + 2 * reach + 1, x : x + 2 * reach + 1]).sum()
    return out


def mirrored(place: int, size: int) -> int:
    """d c b a | a b c d | d c b a, however far out."""
    place %= 2 * size
    return place if place < size else 2 * size - 1 - place
