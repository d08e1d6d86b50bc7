"""PatchCore straight from its equations, one patch and one number at a time, in float64.

Shares nothing with gad.models.patchcore.
"""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray


def pooled(image: Array) -> Array:
    """Mean over 3x3 neighbourhoods of [C, H, W], zeros outside."""
    channels, height, width = image.shape
    out = np.zeros((channels, height, width))
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                total = 0.0
                for v in range(y - 1, y + 2):
                    for u in range(x - 1, x + 2):
                        if 0 <= v < height and 0 <= u < width:
                            total += float(image[c, v, u])
                out[c, y, x] = total / 9.0
    return out


def source(position: int, length: int, target: int) -> tuple[int, int, float]:
    """The two old samples around a new one and the share of the second; pixel centres are aligned."""
    place = max((position + 0.5) * length / target - 0.5, 0.0)
    first = min(math.floor(place), length - 1)
    return first, min(first + 1, length - 1), place - first


def upsampled(image: Array, height: int, width: int) -> Array:
    channels, old_height, old_width = image.shape
    out = np.zeros((channels, height, width))
    for y in range(height):
        top, bottom, down = source(y, old_height, height)
        for x in range(width):
            left, right, across = source(x, old_width, width)
            for c in range(channels):
                upper = image[c, top, left] * (1 - across) + image[c, top, right] * across
                lower = image[c, bottom, left] * (1 - across) + image[c, bottom, right] * across
                out[c, y, x] = upper * (1 - down) + lower * down
    return out


def local_features(layers: list[Array]) -> Array:
    """[C_l, H_l, W_l] a layer -> [H, W, sum of C_l]."""
    height = max(layer.shape[1] for layer in layers)
    width = max(layer.shape[2] for layer in layers)
    stacked = [upsampled(pooled(layer), height, width) for layer in layers]
    out = np.zeros((height, width, sum(len(layer) for layer in layers)))
    for y in range(height):
        for x in range(width):
            out[y, x] = [value for layer in stacked for value in layer[:, y, x]]
    return out


def distance(a: Array, b: Array) -> float:
    return math.sqrt(sum((float(p) - float(q)) ** 2 for p, q in zip(a, b, strict=True)))


def coreset(bank: Array, size: int, first: int) -> list[int]:
    """Farthest-first from a given row; of equals the first."""
    chosen = [first]
    while len(chosen) < size:
        best, best_distance = -1, -1.0
        for row in range(len(bank)):
            if row in chosen:
                continue
            to_chosen = min(distance(bank[row], bank[other]) for other in chosen)
            if to_chosen > best_distance:
                best, best_distance = row, to_chosen
        chosen.append(best)
    return chosen


def token_map(tokens: Array) -> Array:
    """[side * side, C], patches by rows -> [C, side, side]."""
    side = math.isqrt(len(tokens))
    out = np.zeros((tokens.shape[1], side, side))
    for patch in range(side * side):
        out[:, patch // side, patch % side] = tokens[patch]
    return out


def bank(images: list[Array], first: int, whole: int = 10_000) -> Array:
    """All patches of the prompts' [H, W, D] while there are fewer than ``whole``, else a tenth of them."""
    rows = np.array(
        [image[y, x] for image in images for y in range(len(image)) for x in range(len(image[0]))]
    )
    return rows if len(rows) < whole else rows[coreset(rows, len(rows) // 10, first)]


def image_score(query: list[Array], prompts: list[list[Array]], first: int = 0, whole: int = 10_000) -> float:
    """From stored tokens [P_l, C_l] a layer, of a query and of each prompt, to the query's score."""
    shown = [local_features([token_map(layer) for layer in prompt]) for prompt in prompts]
    found, _ = score(local_features([token_map(layer) for layer in query]), bank(shown, first, whole))
    return found


def score(features: Array, bank: Array) -> tuple[float, Array]:
    """Image score and map [H, W] of one image's [H, W, D] against the bank [m, D]."""
    height, width, _ = features.shape
    patch_map = np.zeros((height, width))
    worst, worst_patch, match = -1.0, features[0, 0], -1
    for y in range(height):
        for x in range(width):
            distances = [distance(features[y, x], row) for row in bank]
            row = min(range(len(bank)), key=lambda r: distances[r])
            patch_map[y, x] = distances[row]
            if distances[row] > worst:
                worst, worst_patch, match = distances[row], features[y, x], row
    if len(bank) == 1:
        return worst, patch_map
    around = sorted(range(len(bank)), key=lambda r: distance(bank[match], bank[r]))[: min(9, len(bank))]
    to_around = [distance(worst_patch, bank[r]) for r in around]
    top = max(to_around)
    share = math.exp(worst - top) / sum(math.exp(value - top) for value in to_around)
    return (1.0 - share) * worst, patch_map
