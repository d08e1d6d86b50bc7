"""Digits and simple shapes, drawn from strokes written down here, also as coarsely as 8x8 pixels.

Every glyph has a few ways to write it; a way is a list of strokes, a stroke a list of points that a smooth
curve passes near (x to the right, y down, 0..1). Each drawing moves the points, slants and stretches the
whole, and picks its own pen. No image of a real digit is used.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray
from torch import Tensor

from gad.models.backbones.tiny.shapes import Pick, distance

Points = list[tuple[float, float]]


def _round(cx: float, cy: float, rx: float, ry: float, start: float, end: float, count: int = 12) -> Points:
    """Points on an ellipse, angles in quarter turns clockwise from the right."""
    angles = np.linspace(start, end, count) * math.pi / 2
    return [(cx + rx * float(np.cos(a)), cy + ry * float(np.sin(a))) for a in angles]


def _straight(*corners: tuple[float, float]) -> Points:
    """Corners that stay sharp: smoothing needs points near them."""
    points: Points = []
    for (ax, ay), (bx, by) in itertools.pairwise(corners):
        points += [(ax + t * (bx - ax), ay + t * (by - ay)) for t in (0, 0.05, 0.5, 0.95)]
    return [*points, corners[-1]]


DIGITS: dict[str, list[list[Points]]] = {
    "0": [
        [_round(0.5, 0.5, 0.42, 0.5, -1, 3.05, 16)],
        [_round(0.5, 0.5, 0.3, 0.5, -1.2, 2.9, 16)],
    ],
    "1": [
        [_straight((0.5, 0), (0.5, 1))],
        [_straight((0.3, 0.28), (0.55, 0), (0.55, 1))],
        [_straight((0.3, 0.25), (0.5, 0), (0.5, 1)), _straight((0.25, 1), (0.78, 1))],
        [_straight((0.2, 0.4), (0.6, 0.02), (0.6, 1))],
    ],
    "2": [
        [[*_round(0.48, 0.28, 0.38, 0.28, -2, 0.5, 9), *_straight((0.62, 0.6), (0.1, 1), (0.92, 1))]],
        [[*_round(0.48, 0.26, 0.36, 0.26, -2, 0.7, 9), (0.45, 0.7), (0.15, 0.95), (0.5, 0.92), (0.95, 1)]],
        [
            [
                *_round(0.5, 0.26, 0.34, 0.26, -2, 0.6, 9),
                (0.45, 0.75),
                (0.15, 0.98),
                (0.1, 0.8),
                (0.35, 0.78),
                (0.9, 1),
            ]
        ],
    ],
    "3": [
        [[*_round(0.45, 0.25, 0.36, 0.25, -2, 1, 9), *_round(0.45, 0.74, 0.42, 0.26, -1, 2, 9)]],
        [
            [
                *_straight((0.1, 0.02), (0.85, 0.02), (0.42, 0.42)),
                *_round(0.42, 0.71, 0.42, 0.29, -1, 1.9, 9),
            ]
        ],
        [[*_round(0.48, 0.26, 0.34, 0.26, -1.9, 0.8, 9), *_round(0.44, 0.75, 0.42, 0.25, -0.8, 2.1, 9)]],
    ],
    "4": [
        [_straight((0.62, 0), (0.08, 0.66), (0.95, 0.66)), _straight((0.7, 0.3), (0.7, 1))],
        [_straight((0.2, 0), (0.14, 0.55), (0.9, 0.55)), _straight((0.78, 0.05), (0.7, 1))],
        [_straight((0.7, 1), (0.7, 0), (0.08, 0.68), (0.98, 0.68))],
        [_straight((0.45, 0), (0.08, 0.6), (0.92, 0.62)), _straight((0.62, 0.35), (0.55, 1))],
    ],
    "5": [
        [
            [
                *_straight((0.88, 0), (0.2, 0), (0.16, 0.45)),
                *_round(0.45, 0.68, 0.42, 0.32, -1.2, 1.9, 10),
            ]
        ],
        [
            _straight((0.2, 0.02), (0.95, 0.02)),
            [*_straight((0.22, 0), (0.18, 0.42)), *_round(0.45, 0.7, 0.42, 0.3, -1.3, 2.0, 10)],
        ],
        [
            [
                *_straight((0.9, 0.03), (0.3, 0.03), (0.2, 0.45), (0.6, 0.42)),
                (0.85, 0.65),
                (0.6, 0.98),
                (0.1, 1),
            ]
        ],
    ],
    "6": [
        [[(0.7, 0), (0.35, 0.22), *_round(0.48, 0.7, 0.36, 0.3, -2, 2.1, 14)]],
        [[(0.5, 0), (0.22, 0.35), *_round(0.5, 0.72, 0.34, 0.27, -2, 1.9, 14)]],
        [[(0.85, 0.06), (0.5, 0.04), (0.2, 0.3), (0.12, 0.65), *_round(0.5, 0.74, 0.38, 0.26, -2.2, 2, 14)]],
    ],
    "7": [
        [_straight((0.1, 0), (0.9, 0), (0.4, 1))],
        [_straight((0.1, 0.05), (0.9, 0), (0.45, 1)), _straight((0.3, 0.5), (0.85, 0.5))],
        [[*_straight((0.1, 0.1), (0.15, 0.02), (0.9, 0.02)), (0.65, 0.4), (0.5, 0.7), (0.45, 1)]],
        [_straight((0.12, 0.02), (0.85, 0.02), (0.5, 1)), _straight((0.25, 0.55), (0.8, 0.48))],
    ],
    "8": [
        [_round(0.5, 0.25, 0.32, 0.25, -1, 3.05, 14), _round(0.5, 0.74, 0.4, 0.26, -1, 3.05, 14)],
        [
            [
                (0.8, 0.12),
                (0.5, 0),
                (0.2, 0.15),
                (0.35, 0.42),
                (0.7, 0.62),
                (0.82, 0.85),
                (0.5, 1),
                (0.18, 0.85),
                (0.3, 0.62),
                (0.65, 0.4),
                (0.84, 0.18),
                (0.7, 0.03),
            ]
        ],
    ],
    "9": [
        [_round(0.48, 0.29, 0.36, 0.29, 0, 4, 14), [(0.84, 0.25), (0.82, 0.6), (0.7, 1)]],
        [_round(0.48, 0.27, 0.34, 0.27, 0, 4, 14), [(0.84, 0.2), (0.84, 0.7), (0.6, 0.98), (0.15, 0.95)]],
        [_round(0.5, 0.28, 0.32, 0.28, -0.4, 3.4, 12), _straight((0.82, 0.05), (0.78, 1))],
    ],
}
SHAPES: dict[str, list[list[Points]]] = {
    "triangle": [[_straight((0.5, 0), (1, 1), (0, 1), (0.5, 0))]],
    "square": [[_straight((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))]],
    "cross": [[_straight((0, 0), (1, 1)), _straight((1, 0), (0, 1))]],
    "plus sign": [[_straight((0.5, 0), (0.5, 1)), _straight((0, 0.5), (1, 0.5))]],
    "arrow": [[_straight((0.5, 1), (0.5, 0)), _straight((0.1, 0.4), (0.5, 0), (0.9, 0.4))]],
    "letter A": [[_straight((0, 1), (0.5, 0), (1, 1)), _straight((0.2, 0.6), (0.8, 0.6))]],
    "letter E": [[_straight((0.9, 0), (0.1, 0), (0.1, 1), (0.9, 1)), _straight((0.1, 0.5), (0.7, 0.5))]],
    "letter H": [
        [_straight((0.1, 0), (0.1, 1)), _straight((0.9, 0), (0.9, 1)), _straight((0.1, 0.5), (0.9, 0.5))]
    ],
    "letter M": [[_straight((0, 1), (0.1, 0), (0.5, 0.6), (0.9, 0), (1, 1))]],
    "letter S": [[[*_round(0.5, 0.26, 0.36, 0.26, -0.3, -3, 9), *_round(0.5, 0.75, 0.38, 0.25, -1, 2, 9)]]],
    "letter U": [[[(0.1, 0), (0.1, 0.5), *_round(0.5, 0.7, 0.4, 0.3, 2, 0, 8), (0.9, 0.5), (0.9, 0)]]],
    "letter Y": [[_straight((0, 0), (0.5, 0.5), (1, 0)), _straight((0.5, 0.5), (0.5, 1))]],
}
GLYPHS = {**DIGITS, **SHAPES}
BOX, PEN = 32, 48  # side of a drawing before it is made coarser; most pieces of its strokes


def _path(rng: np.random.Generator, name: str) -> NDArray[np.float64]:
    """One way to write the glyph, moved about: ``[PEN, 2, 2]`` pieces (start, end) in 0..1 or so."""
    ways = GLYPHS[name]
    pieces = []
    shape = np.array([[rng.uniform(0.85, 1.15), rng.uniform(-0.3, 0.12)], [rng.uniform(-0.12, 0.12), 1.0]])
    for stroke in ways[rng.integers(len(ways))]:
        points = np.array(stroke)
        bend = rng.normal(0, 0.055, (4, 2))  # of the whole stroke: neighbours move together
        t = np.linspace(0, 1, len(points))
        points = points + np.stack([np.interp(t, np.linspace(0, 1, 4), b) for b in bend.T], -1)
        points = points + rng.normal(0, 0.012, points.shape) + rng.normal(0, 0.02, 2)
        cut = np.concatenate([points[:1], 0.5 * (points[1:] + points[:-1]), points[-1:]])  # rounds corners
        points = (cut - 0.5) @ shape.T
        pieces.append(np.stack([points[:-1], points[1:]], 1))
    return np.resize(np.concatenate(pieces), (PEN, 2, 2))


def draw(rng: np.random.Generator, names: list[str], tidy: bool) -> Tensor:
    """White on black drawings, ``[n, BOX, BOX]`` of 0..1; ``tidy`` ones fill their box from top to bottom."""
    paths = torch.from_numpy(np.stack([_path(rng, name) for name in names])).float()
    n = len(paths)
    width = rng.uniform(1.2, 2.9, n) if tidy else rng.uniform(0.8, 2.6) * rng.uniform(0.85, 1.15, n)
    pen = torch.from_numpy(width).float()[:, None, None]
    low, high = paths.flatten(1, 2).amin(1), paths.flatten(1, 2).amax(1)
    extent = (high - low).clamp(min=0.02)
    room = BOX - 2 * pen[:, 0] - 0.5
    down = room if tidy else room * torch.from_numpy(rng.uniform(0.55, 0.95, (n, 1))).float()
    wide = down * extent[:, :1] / extent[:, 1:] * torch.from_numpy(rng.uniform(0.75, 1.15, (n, 1))).float()
    across = torch.minimum(wide, room)
    size = torch.cat([across, down], 1)
    spare = (room - size).clamp(min=0) / 2 * (0.25 if tidy else 0.9)
    centre = spare * torch.from_numpy(rng.uniform(-1, 1, (n, 2))).float()
    placed = (paths - ((low + high) / 2)[:, None, None]) / extent[:, None, None] * size[:, None, None]
    placed = placed + centre[:, None, None]
    # Pieces are separate polylines of two points: the smallest distance over all of them is the stroke's.
    away = distance(placed.reshape(n * PEN, 2, 2), BOX).reshape(n, PEN, BOX, BOX).amin(1)
    return (pen - away + 0.5).clamp(0, 1)


def digits_8x8(rng: np.random.Generator, names: list[str], side: int) -> Tensor:
    """Grey drawings of 8x8 pixels and 17 levels, made larger bicubically: ``[n, 3, side, side]``."""
    coarse = F.avg_pool2d(draw(rng, names, tidy=True)[:, None], BOX // 8)
    grey = torch.round(torch.round(coarse * 16) * 255 / 16) / 255
    return _enlarged(grey, side).expand(-1, 3, -1, -1)


def _enlarged(pictures: Tensor, side: int) -> Tensor:
    """As Pillow's bicubic (which PyTorch's antialiased one follows), rounded to 8 bits."""
    large = F.interpolate(pictures, size=side, mode="bicubic", antialias=True)
    return torch.round(large.clamp(0, 1) * 255) / 255


def glyphs(rng: np.random.Generator, names: list[str], side: int) -> Tensor:
    """Drawings in one of many styles (the same for the whole batch): colours, sharpness, placement."""
    pictures = draw(rng, names, tidy=bool(rng.random() < 0.3))[:, None]
    coarse = int(rng.choice([8, 11, 16, BOX]))
    pictures = _enlarged(F.interpolate(pictures, size=coarse, mode="bilinear", antialias=True), side)
    pick = Pick(torch.Generator().manual_seed(int(rng.integers(2**31))))
    ink, ground = pick.colour(1), pick.colour(1)
    if (ink - ground).abs().max() < 0.35:
        ink = (ground + 0.5) % 1.0
    return ground + (ink - ground) * pictures
