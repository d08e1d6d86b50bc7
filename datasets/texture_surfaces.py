"""The six surfaces of ``textures``. Each is ``surface(stream, u, v)`` -> colours 0..1, ``[h, w, 3]``.

``u`` and ``v`` are positions on the surface in pixels, already rotated, scaled and moved, so that a
defect which bends the surface only has to bend them.
"""

from __future__ import annotations

import numpy as np

from gad.datasets.texture_noise import Array, Stream, cells, fractal, lookup, mix, smooth, step

FABRIC_PITCH = 8.0
MESH_PITCH = 16.0
TILE_PITCH = 34.0


def wood(stream: Stream, u: Array, v: Array) -> Array:
    """A board with growth rings, fibres and pores along ``v``."""
    bend = 14 * smooth(stream.table(), u / 120, v / 150)
    ring = (u + bend) / 17
    ring = ring + 0.25 * smooth(stream.table(), ring, v / 400)
    late = (ring - np.floor(ring)) ** 3
    fibres = fractal(stream, (u + bend) / 2.2, v / 55, octaves=2)
    pores = step(0.45, 0.8, smooth(stream.table(), (u + bend) / 1.5, v / 16))
    tone = 0.72 - 0.3 * late * step(1.0, 0.93, ring - np.floor(ring)) + 0.1 * fibres - 0.2 * pores
    return mix((0.33, 0.18, 0.09), (0.80, 0.60, 0.38), tone)


def fabric(stream: Stream, u: Array, v: Array) -> Array:
    """Denim: a twill of blue warp threads over pale weft threads."""
    a, b = u / FABRIC_PITCH, v / FABRIC_PITCH
    i, j = np.floor(a), np.floor(b)
    warp_up = np.mod(i + j, 3) > 0
    across = np.where(warp_up, a - i, b - j)
    along = np.where(warp_up, b - j, a - i)
    height = np.sin(np.pi * across) ** 0.7 * (0.75 + 0.25 * np.sin(np.pi * along))
    thread = np.where(warp_up, lookup(stream.table(), i, 0 * i), lookup(stream.table(), 0 * j, j))
    fluff = smooth(stream.table(), u / 1.5, v / 1.5)
    light = 0.25 + 0.75 * height + 0.06 * thread + 0.12 * fluff
    blue = mix((0.05, 0.07, 0.14), (0.25, 0.38, 0.62), light)
    pale = mix((0.08, 0.09, 0.13), (0.70, 0.72, 0.74), light)
    return np.where(warp_up[..., None], blue, pale)


def tiles(stream: Stream, u: Array, v: Array) -> Array:
    """Glazed square tiles with bevelled edges in sandy grout."""
    a, b = u / TILE_PITCH, v / TILE_PITCH
    i, j = np.floor(a), np.floor(b)
    x, y = a - i - 0.5, b - j - 0.5
    edge = 0.5 - np.maximum(np.abs(x), np.abs(y))
    glazed = step(0.045, 0.075, edge)
    bevel = step(0.14, 0.06, edge) * np.where(np.abs(x) > np.abs(y), -np.sign(x), -np.sign(y))
    tone = 0.6 + 0.10 * lookup(stream.table(), i, j) + 0.07 * fractal(stream, u / 14, v / 14) + 0.12 * bevel
    glaze = mix((0.10, 0.26, 0.28), (0.50, 0.78, 0.74), tone)
    grout = mix((0.50, 0.48, 0.44), (0.78, 0.76, 0.72), 0.5 + 0.4 * smooth(stream.table(), u / 1.6, v / 1.6))
    return grout + (glaze - grout) * glazed[..., None]


def brushed_metal(stream: Stream, u: Array, v: Array) -> Array:
    """Steel, brushed along ``v``, with a broad reflection."""
    fine = smooth(stream.table(), u / 1.1, v / 60) + 0.7 * smooth(stream.table(), u / 2.7, v / 110)
    broad = smooth(stream.table(), u / 26, v / 400)
    tone = 0.55 + 0.16 * fine + 0.10 * broad + 0.08 * np.sin(u / 37 + stream.between(0, 6.28))
    return mix((0.30, 0.31, 0.33), (0.80, 0.81, 0.83), tone)


def leather(stream: Stream, u: Array, v: Array) -> Array:
    """Brown leather: pebbles between creases."""
    bend = 2.5 * smooth(stream.table(), u / 14, v / 14)
    pebble = cells(stream, (u + bend) / 9, (v - bend) / 9)
    crease = step(0.28, 0.02, pebble.second - pebble.first)
    dome = -0.22 * (pebble.dx + pebble.dy)
    tone = 0.55 + dome - 0.5 * crease + 0.06 * lookup(stream.table(), pebble.column, pebble.row)
    tone = (
        tone
        + 0.10 * fractal(stream, u / 40, v / 40, octaves=2)
        + 0.06 * smooth(stream.table(), u / 1.5, v / 1.5)
    )
    return mix((0.14, 0.07, 0.04), (0.62, 0.37, 0.22), tone)


def mesh(stream: Stream, u: Array, v: Array) -> Array:
    """Woven wire over a dark ground; wires run where ``u`` or ``v`` is a whole number of pitches."""
    a, b = u / MESH_PITCH, v / MESH_PITCH
    i, j = np.round(a), np.round(b)
    ground = mix((0.06, 0.07, 0.08), (0.20, 0.21, 0.24), 0.5 + 0.5 * fractal(stream, u / 6, v / 6))
    up = 0.5 - 0.5 * np.cos(np.pi * (i + j))  # which of the two wires is on top at a crossing
    shine = 0.05 * smooth(stream.table(), u / 2, v / 2)
    picture = ground
    for across, along, lift in ((a - i, b, up), (b - j, a, 1 - up)):
        wave = 0.5 + 0.5 * np.cos(2 * np.pi * along) * (2 * lift - 1)
        inside = step(0.19, 0.14, np.abs(across))
        round_ = np.sqrt(np.clip(1 - (across / 0.19) ** 2, 0, 1))
        wire = mix(
            (0.22, 0.21, 0.20),
            (0.86, 0.84, 0.80),
            0.15 + 0.55 * round_ * (0.55 + 0.45 * wave) + shine - across,
        )
        hidden = step(0.24, 0.16, np.abs(along - np.round(along))) * (1 - lift)
        alpha = (inside * (1 - hidden))[..., None]
        picture = picture + (wire - picture) * alpha
    return picture
