"""PaDiM straight from its equations 1 and 2: a covariance a position, inverted, in float64.

Shares nothing with gad.models.padim.
"""

from __future__ import annotations

import math

import numpy as np
from oracles.maps import smoothed
from oracles.patchcore import Array


def embedding(layers: list[Array], chosen: list[int]) -> Array:
    """Stored tokens [P_l, C_l] a layer -> [H, W, channels]: every finer position has a coarser one's values."""
    side = math.isqrt(len(layers[0]))
    out = np.zeros((side, side, sum(layer.shape[1] for layer in layers)))
    for y in range(side):
        for x in range(side):
            values = []
            for layer in layers:
                coarse = math.isqrt(len(layer))
                row, column = y * coarse // side, x * coarse // side
                values.append(layer[row * coarse + column].astype(np.float64))
            out[y, x] = np.concatenate(values)
    return out[:, :, chosen]


def distances(query: Array, prompts: list[Array], epsilon: float) -> Array:
    """Mahalanobis distances [H, W] of one embedding to those of the prompts."""
    height, width, channels = query.shape
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            rows = np.array([prompt[y, x] for prompt in prompts], dtype=np.float64)
            mean = rows.sum(axis=0) / len(rows)
            covariance = epsilon * np.eye(channels)
            for row in rows if len(rows) > 1 else []:
                covariance += np.outer(row - mean, row - mean) / (len(rows) - 1)
            away = query[y, x] - mean
            out[y, x] = math.sqrt(away @ np.linalg.inv(covariance) @ away)
    return out


def image_map(
    query: list[Array], prompts: list[list[Array]], chosen: list[int], epsilon: float, size: int
) -> Array:
    """From stored tokens to the smoothed map, whose maximum is the score."""
    shown = [embedding(layers, chosen) for layers in prompts]
    return smoothed(distances(embedding(query, chosen), shown, epsilon), size)
