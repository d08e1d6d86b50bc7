"""Pixel metrics, slowly and literally: every threshold by itself, regions by flood fill, pixels one by one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def stretched(heat: np.ndarray, high: int, wide: int) -> np.ndarray:
    """Bilinear about pixel centres; beyond the outermost centres the edge goes on."""
    rows, columns = heat.shape
    out = np.zeros((high, wide))
    for y in range(high):
        for x in range(wide):
            v = min(max((y + 0.5) * rows / high - 0.5, 0), rows - 1)
            u = min(max((x + 0.5) * columns / wide - 0.5, 0), columns - 1)
            top, left = int(v), int(u)
            bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            upper = heat[top, left] * (1 - (u - left)) + heat[top, right] * (u - left)
            lower = heat[bottom, left] * (1 - (u - left)) + heat[bottom, right] * (u - left)
            out[y, x] = upper * (1 - (v - top)) + lower * (v - top)
    return out


def nearest(mask: np.ndarray, high: int, wide: int) -> np.ndarray:
    """Each pixel takes the value under its centre."""
    rows, columns = mask.shape
    out = np.zeros((high, wide), dtype=bool)
    for y in range(high):
        for x in range(wide):
            out[y, x] = mask[int((y + 0.5) * rows / high), int((x + 0.5) * columns / wide)]
    return out


def regions(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """8-connected regions of marked pixels."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}
    found = []
    while left:
        region, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            region.add((y, x))
            around = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= around
            edge += around
        found.append(region)
    return found


def auroc(marked: list[bool], heat: list[float]) -> float:
    """How often a marked pixel is higher than another, ties counting half."""
    high = [h for h, m in zip(heat, marked, strict=True) if m]
    low = [h for h, m in zip(heat, marked, strict=True) if not m]
    return sum((a > b) + 0.5 * (a == b) for a in high for b in low) / (len(high) * len(low))


def auprc(marked: list[bool], heat: list[float]) -> float:
    """Average precision: at each distinct value, precision times what recall gains."""
    total, recall = 0.0, 0.0
    for threshold in sorted(set(heat), reverse=True):
        taken = [m for h, m in zip(heat, marked, strict=True) if h >= threshold]
        now = sum(taken) / sum(marked)
        total += (now - recall) * sum(taken) / len(taken)
        recall = now
    return total


def aupro(masks: np.ndarray, maps: np.ndarray, limit: float = 0.3) -> float:
    """Mean overlap of the regions against the false positive rate, up to ``limit``, divided by it."""
    found = [(n, region) for n, mask in enumerate(masks) for region in regions(mask)]
    normal = (~masks).sum()
    points = [(0.0, 0.0)]
    for threshold in sorted(set(maps.ravel().tolist()), reverse=True):
        over = maps >= threshold
        overlap = [sum(over[n][place] for place in region) / len(region) for n, region in found]
        points.append((float((over & ~masks).sum() / normal), float(np.mean(overlap))))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 >= limit:
            break
        if x1 > limit:
            y1 = y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
            x1 = limit
        area += (x1 - x0) * (y0 + y1) / 2
    return area / limit
