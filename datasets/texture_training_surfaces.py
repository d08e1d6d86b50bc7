"""The eight surfaces of ``textures-auxiliary``; none of them is in ``textures``.

Same form as in :mod:`gad.datasets.texture_surfaces`: ``surface(stream, u, v)`` -> colours 0..1.
"""

from __future__ import annotations

import numpy as np

from gad.datasets.texture_noise import Array, Stream, cells, fractal, lookup, mix, smooth, step

STRIPE_PITCH = 7.0
KNIT_PITCH = 12.0


def gravel(stream: Stream, u: Array, v: Array) -> Array:
    """Pebbles of mixed greys and browns."""
    stone = cells(stream, u / 13, v / 13)
    gap = step(0.20, 0.03, stone.second - stone.first)
    tone = 0.60 + 0.22 * lookup(stream.table(), stone.column, stone.row)
    tone = tone - 0.35 * (stone.dx + stone.dy) - 0.30 * stone.first + 0.10 * fractal(stream, u / 4, v / 4)
    warm = 0.5 + 0.5 * lookup(stream.table(), stone.column, stone.row)[..., None]
    grey = mix((0.14, 0.14, 0.15), (0.74, 0.74, 0.75), tone)
    brown = mix((0.15, 0.12, 0.09), (0.78, 0.66, 0.54), tone)
    return (grey + (brown - grey) * warm) * (1 - 0.8 * gap[..., None])


def carpet(stream: Stream, u: Array, v: Array) -> Array:
    """Loops of heathered yarn."""
    row = np.floor(v / 5.5)
    loop = cells(stream, u / 5 + 0.5 * np.mod(row, 2), v / 5.5, jitter=0.45)
    tone = (
        0.75
        - 0.75 * loop.first
        - 0.25 * (loop.dx + loop.dy)
        + 0.12 * smooth(stream.table(), u / 1.3, v / 1.3)
    )
    yarn = step(-0.2, 0.5, lookup(stream.table(), loop.column, loop.row))[..., None]
    red = mix((0.16, 0.05, 0.06), (0.66, 0.24, 0.24), tone)
    rose = mix((0.22, 0.12, 0.11), (0.76, 0.46, 0.40), tone)
    return red + (rose - red) * yarn


def paper(stream: Stream, u: Array, v: Array) -> Array:
    """Kraft paper: fibres in all directions, flecks, and a cloudy formation."""
    tone = 0.62 + 0.12 * fractal(stream, u / 22, v / 22)
    for turn in (0.2, 0.9, 1.7, 2.6):
        along, across = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
        tone = tone + 0.20 * step(0.5, 0.9, smooth(stream.table(), along / 17, across / 1.5))
        tone = tone - 0.20 * step(0.6, 0.95, smooth(stream.table(), along / 13, across / 1.3))
    tone = tone + 0.06 * smooth(stream.table(), u / 1.2, v / 1.2)
    return mix((0.42, 0.30, 0.19), (0.86, 0.71, 0.53), tone)


def corrugated(stream: Stream, u: Array, v: Array) -> Array:
    """Corrugated card: ridges along ``v``."""
    ridge = np.sin(2 * np.pi * (u + 1.5 * smooth(stream.table(), u / 60, v / 60)) / 13)
    tone = 0.55 + 0.30 * ridge + 0.10 * ridge * np.abs(ridge)
    tone = tone + 0.08 * smooth(stream.table(), u / 1.4, v / 6) + 0.06 * fractal(stream, u / 20, v / 20)
    return mix((0.36, 0.25, 0.16), (0.84, 0.68, 0.48), tone)


def foam(stream: Stream, u: Array, v: Array) -> Array:
    """Open foam: bright walls around dark, rounded bubbles of two sizes."""
    large, small = cells(stream, u / 11, v / 11), cells(stream, u / 5, v / 5)
    wall = step(0.34, 0.06, large.second - large.first)
    tone = 0.30 + 0.32 * wall + 0.30 * large.first + 0.16 * step(0.3, 0.05, small.second - small.first)
    tone = tone - 0.22 * (large.dx + large.dy) + 0.05 * smooth(stream.table(), u / 1.4, v / 1.4)
    return mix((0.30, 0.26, 0.10), (0.95, 0.88, 0.52), tone)


def stripes(stream: Stream, u: Array, v: Array) -> Array:
    """Striped ticking: four colours in a fixed order over a plain weave."""
    a, b = u / STRIPE_PITCH, v / STRIPE_PITCH
    i, j = np.floor(a), np.floor(b)
    palette = np.array(
        [(0.86, 0.83, 0.74), (0.86, 0.83, 0.74), (0.20, 0.30, 0.45), (0.86, 0.83, 0.74), (0.70, 0.30, 0.22)]
    )
    colour = palette[np.mod(i, len(palette)).astype(np.intp)]
    over = np.mod(i + j, 2) > 0
    height = np.where(over, np.sin(np.pi * (a - i)), np.sin(np.pi * (b - j)))
    light = (
        0.62
        + 0.38 * height
        + 0.05 * lookup(stream.table(), i, j)
        + 0.08 * smooth(stream.table(), u / 1.5, v / 1.5)
    )
    weft = np.array((0.80, 0.77, 0.70))
    return np.where(over[..., None], colour, 0.6 * colour + 0.4 * weft) * light[..., None]


def knit(stream: Stream, u: Array, v: Array) -> Array:
    """Stockinette: columns of V-shaped stitches."""
    a = u / KNIT_PITCH
    x = a - np.floor(a) - 0.5
    b = v / (0.75 * KNIT_PITCH) - 1.5 * np.abs(x)
    y = b - np.floor(b)
    height = np.sin(np.pi * y) ** 0.8 * np.sin(2 * np.pi * np.clip(np.abs(x), 0.02, 0.48)) ** 0.5
    tone = 0.2 + 0.75 * height + 0.07 * lookup(stream.table(), np.floor(2 * a), np.floor(b))
    tone = tone + 0.14 * smooth(stream.table(), (u + v) / 1.4, (u - v) / 3) * height
    return mix((0.07, 0.14, 0.10), (0.50, 0.72, 0.56), tone)


def granite(stream: Stream, u: Array, v: Array) -> Array:
    """Polished stone: grains of feldspar, quartz and mica."""
    bend = 1.5 * smooth(stream.table(), u / 3, v / 3)
    grain = cells(stream, (u + bend) / 5, (v + bend) / 5, jitter=1.0)
    kind = lookup(stream.table(0, 1), grain.column, grain.row)[..., None]
    shade = (
        1
        + 0.12 * lookup(stream.table(), grain.column, grain.row)
        + 0.08 * smooth(stream.table(), u / 1.5, v / 1.5)
    )
    pink, grey, black = (
        np.array((0.74, 0.56, 0.50)),
        np.array((0.66, 0.66, 0.67)),
        np.array((0.18, 0.17, 0.18)),
    )
    return np.where(kind < 0.45, pink, np.where(kind < 0.84, grey, black)) * shade[..., None]
