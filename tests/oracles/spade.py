"""SPADE straight from its sections 3.2 to 3.4, one image and one position at a time, in float64.

Shares nothing with gad.models.spade.
"""

from __future__ import annotations

import numpy as np
from oracles.patchcore import Array, distance, token_map, upsampled


def image_score(query: Array, prompts: list[Array], neighbours: int) -> float:
    """Average distance of pooled features [D] to the nearest prompts'."""
    distances = sorted(distance(query, prompt) for prompt in prompts)[:neighbours]
    return sum(distances) / len(distances)


def nearest(query: Array, prompts: list[Array], neighbours: int) -> list[int]:
    return sorted(range(len(prompts)), key=lambda k: distance(query, prompts[k]))[:neighbours]


def pyramid(layers: list[Array]) -> Array:
    """Stored tokens [P_l, C_l] a layer -> [H, W, sum of C_l] on the first layer's grid."""
    maps = [token_map(layer.astype(np.float64)) for layer in layers]
    side = maps[0].shape[1]
    same = [maps[0], *(upsampled(each, side, side) for each in maps[1:])]
    return np.concatenate(same).transpose(1, 2, 0)


def patch_map(query: list[Array], gallery: list[list[Array]]) -> Array:
    """Each position's distance to the nearest position of the gallery's images."""
    own = pyramid(query)
    others = np.concatenate([pyramid(layers).reshape(-1, own.shape[2]) for layers in gallery])
    out = np.zeros(own.shape[:2])
    for y in range(len(own)):
        for x in range(len(own[0])):
            out[y, x] = np.sqrt(((others - own[y, x]) ** 2).sum(axis=1)).min()
    return out
