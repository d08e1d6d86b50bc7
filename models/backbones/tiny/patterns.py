"""Patterns of surfaces: many families, each with random parameters.

A family is ``field(rng, u, v)`` -> a height map of about -1..1 over positions in pixels. No family imitates
one of the six surfaces of ``textures`` (see card.md): those are what the backbone is tried on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Random = np.random.Generator

SIDE = 256  # pixels of a canvas; an image is a crop of 128 of them


def noise(rng: Random, finest: float, coarsest: float, slope: float = 1.0) -> Array:
    """Isotropic noise with wavelengths between two numbers of pixels, standard deviation 1."""
    f = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]
    wave = np.hypot(*f)
    keep = (wave >= 1 / coarsest) & (wave <= 1 / finest)
    size = np.where(keep, np.maximum(wave, 1e-6) ** -slope, 0.0)
    spectrum = size * (rng.standard_normal(wave.shape) + 1j * rng.standard_normal(wave.shape))
    field = np.fft.irfft2(spectrum, (SIDE, SIDE))
    return np.asarray(field / (field.std() + 1e-9), np.float32)


def _cells(rng: Random, u: Array, v: Array, jitter: float) -> tuple[Array, Array, NDArray[np.intp]]:
    """Distances to the nearest and second nearest of jittered lattice points, and the nearest one's number."""
    moves = jitter * (rng.random((64, 64, 2)) - 0.5)
    i, j = np.floor(u).astype(int), np.floor(v).astype(int)
    first, second = np.full(u.shape, 9.0), np.full(u.shape, 9.0)
    number = np.zeros(u.shape, np.intp)
    for right in (-1, 0, 1):
        for down in (-1, 0, 1):
            a, b = (i + right) % 64, (j + down) % 64
            move = moves[a, b]
            distance = np.hypot(i + right + 0.5 + move[..., 0] - u, j + down + 0.5 + move[..., 1] - v)
            second = np.minimum(second, np.maximum(first, distance))
            number = np.where(distance < first, a * 64 + b, number)
            first = np.minimum(first, distance)
    return np.asarray(first, np.float32), np.asarray(second, np.float32), number


def _clouds(rng: Random, u: Array, v: Array) -> Array:
    return noise(rng, 2.0, SIDE, rng.uniform(0.8, 2.0)) * 0.5


def _grains(rng: Random, u: Array, v: Array) -> Array:
    finest = rng.uniform(2, 8)
    return np.tanh(noise(rng, finest, 2.5 * finest))


def _labyrinth(rng: Random, u: Array, v: Array) -> Array:
    finest = rng.uniform(4, 14)
    return np.tanh(rng.uniform(1, 5) * noise(rng, finest, 1.3 * finest))


def _camouflage(rng: Random, u: Array, v: Array) -> Array:
    levels = rng.integers(2, 5)
    steps = np.round(np.tanh(noise(rng, rng.uniform(5, 12), 60, 1.5)) * levels) / levels
    return np.asarray(steps, np.float32)


def _speckled(rng: Random, u: Array, v: Array) -> Array:
    finest = rng.uniform(2, 7)
    specks = noise(rng, finest, 2 * finest) > rng.uniform(1.0, 2.2)
    return 0.25 * noise(rng, 4, 80) - 0.5 + 1.3 * specks


def _rippled(rng: Random, u: Array, v: Array) -> Array:
    pitch = rng.uniform(4, 22)
    bend = rng.uniform(0, 0.6) * noise(rng, 40, SIDE)
    return np.tanh(rng.uniform(0.8, 4) * np.sin(2 * np.pi * (u / pitch + bend)))


def _lattice(rng: Random, u: Array, v: Array) -> tuple[Array, Array, Array, Array]:
    """Offsets from, and numbers of, the points of a square or staggered lattice."""
    pitch = rng.uniform(6, 20)
    b = v / pitch
    row = np.floor(b)
    a = u / (pitch * rng.uniform(0.8, 1.25)) + rng.choice([0.0, 0.5]) * np.mod(row, 2)
    return a - np.floor(a) - 0.5, b - row - 0.5, np.floor(a), row


def _dotted(rng: Random, u: Array, v: Array) -> Array:
    x, y, _, _ = _lattice(rng, u, v)
    return np.tanh(rng.uniform(4, 20) * (rng.uniform(0.15, 0.42) - np.hypot(x, y)))


def _ringed(rng: Random, u: Array, v: Array) -> Array:
    x, y, _, _ = _lattice(rng, u, v)
    return np.cos(2 * np.pi * rng.uniform(1, 2.5) * np.hypot(x, y))


def _crosses(rng: Random, u: Array, v: Array) -> Array:
    x, y, _, _ = _lattice(rng, u, v)
    arm, reach = rng.uniform(0.06, 0.16), rng.uniform(0.25, 0.42)
    inside = np.minimum(np.abs(x), np.abs(y)) - arm
    return np.tanh(-15 * np.maximum(inside, np.maximum(np.abs(x), np.abs(y)) - reach))


def _scales(rng: Random, u: Array, v: Array) -> Array:
    pitch = rng.uniform(8, 20)
    best = np.full(u.shape, -1.0, np.float32)
    for down in (1, 0, -1):  # a lower row covers the one above it
        row = np.floor(v / pitch * 2) + down
        x = u / pitch + 0.5 * np.mod(row, 2)
        x = x - np.floor(x) - 0.5
        distance = np.hypot(x, v / pitch - row / 2)
        best = np.where(distance < 0.62, 1.8 * distance - 0.4, best)
    return best


def _chevron(rng: Random, u: Array, v: Array) -> Array:
    pitch, wide = rng.uniform(5, 14), rng.uniform(8, 24)
    zigzag = np.abs(u / wide - np.floor(u / wide) - 0.5) * rng.uniform(1, 3)
    return np.tanh(rng.uniform(1, 6) * np.sin(2 * np.pi * (v / pitch + zigzag)))


def _chequered(rng: Random, u: Array, v: Array) -> Array:
    a, b = rng.uniform(6, 24, 2)
    if rng.random() < 0.5:
        return np.sign(np.sin(np.pi * u / a) * np.sin(np.pi * v / b)).astype(np.float32) * 0.8
    return 0.5 * np.sign(np.sin(np.pi * u / a)) + 0.5 * np.sign(np.sin(np.pi * v / b))


def _honeycomb(rng: Random, u: Array, v: Array) -> Array:
    pitch = rng.uniform(7, 20)
    a, b = u / pitch, v / pitch / np.sqrt(3)
    centres = [(np.round(a + s) - s - a, (np.round(b + s) - s - b) * np.sqrt(3)) for s in (0.0, 0.5)]
    near = np.where(np.hypot(*centres[0]) < np.hypot(*centres[1]), centres[0], centres[1])
    x, y = np.abs(near)
    edge = 0.5 - np.maximum(x, 0.5 * x + np.sqrt(0.75) * y)
    return np.tanh(rng.uniform(8, 25) * (edge - rng.uniform(0.04, 0.15)))


def _faceted(rng: Random, u: Array, v: Array) -> Array:
    pitch = rng.uniform(4, 18)
    _, _, number = _cells(rng, u / pitch, v / pitch, 1.0)
    return np.asarray(rng.uniform(-1, 1, 4096), np.float32)[number]


def _bubbly(rng: Random, u: Array, v: Array) -> Array:
    pitch = rng.uniform(5, 16)
    first, second, _ = _cells(rng, u / pitch, v / pitch, rng.uniform(0.4, 1.0))
    return 1 - 2 * first if rng.random() < 0.5 else np.tanh(6 * (second - first) - 1.5)


def _terrazzo(rng: Random, u: Array, v: Array) -> Array:
    pitch = rng.uniform(6, 16)
    _, _, number = _cells(rng, u / pitch, v / pitch, 1.0)
    chips = np.where(rng.random(4096) < rng.uniform(0.2, 0.5), rng.uniform(0, 1, 4096), -0.7)
    return np.asarray(chips, np.float32)[number] + 0.1 * noise(rng, 2, 10)


def _interference(rng: Random, u: Array, v: Array) -> Array:
    ways, pitch = rng.integers(2, 6), rng.uniform(5, 16)
    total = np.zeros(u.shape, np.float32)
    for turn in np.pi * np.arange(ways) / ways:
        total += np.cos(2 * np.pi * (u * np.cos(turn) + v * np.sin(turn)) / pitch + rng.uniform(0, 6.28))
    return np.tanh(rng.uniform(0.5, 3) * total / np.sqrt(ways))


def _felted(rng: Random, u: Array, v: Array) -> Array:
    """Short strands in four or more directions."""
    f, g = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]
    total = np.zeros(u.shape)
    for turn in rng.uniform(0, np.pi, rng.integers(4, 7)):
        along, across = g * np.cos(turn) + f * np.sin(turn), f * np.cos(turn) - g * np.sin(turn)
        blur = np.exp(-((along * rng.uniform(20, 45)) ** 2) - (across * rng.uniform(2.5, 6)) ** 2)
        strands = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) * blur, (SIDE, SIDE))
        total = np.maximum(total, strands / strands.std())
    return np.asarray(total - 1.5, np.float32)


def _marbled(rng: Random, u: Array, v: Array) -> Array:
    veins = np.abs(noise(rng, rng.uniform(12, 30), SIDE, 1.5))
    return 1 - 2 * np.exp(-rng.uniform(2, 12) * veins)


def _maze(rng: Random, u: Array, v: Array) -> Array:
    """Quarter arcs that join at random (Truchet's)."""
    pitch = rng.uniform(9, 22)
    a, b = u / pitch, v / pitch
    i, j = np.floor(a).astype(int), np.floor(b).astype(int)
    x, y = a - i, b - j
    x = np.where((rng.random((64, 64)) < 0.5)[i % 64, j % 64], x, 1 - x)
    away = np.minimum(np.abs(np.hypot(x, y) - 0.5), np.abs(np.hypot(1 - x, 1 - y) - 0.5))
    return np.tanh(rng.uniform(8, 20) * (rng.uniform(0.1, 0.22) - away))


def _dashes(rng: Random, u: Array, v: Array) -> Array:
    x, y, column, row = _lattice(rng, u, v)
    tilt = rng.uniform(0.3, 1.2) * np.where(np.mod(column + row, 2) > 0, 1.0, rng.choice([-1.0, 1.0]))
    along, across = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
    wide = rng.uniform(0.06, 0.16)
    return np.tanh(-15 * np.maximum(np.abs(across) - wide, np.abs(along) - rng.uniform(0.25, 0.4)))


def _petals(rng: Random, u: Array, v: Array) -> Array:
    x, y, column, row = _lattice(rng, u, v)
    count, turn = rng.integers(3, 7), rng.uniform(0, 6.28) * np.mod(column + row, 2)
    edge = rng.uniform(0.2, 0.3) * (1 + rng.uniform(0.3, 0.7) * np.cos(count * np.arctan2(y, x) + turn))
    return np.tanh(rng.uniform(8, 20) * (edge - np.hypot(x, y)))


def _code(rng: Random, u: Array, v: Array) -> Array:
    """Squares, each black or white or in between at random."""
    pitch = rng.uniform(4, 14)
    levels = rng.integers(2, 6)
    shades = rng.integers(0, levels, (64, 64)) / (levels - 1) * 2 - 1
    cell = np.floor(u / pitch).astype(int) % 64, np.floor(v / pitch).astype(int) % 64
    return np.asarray(shades[cell], np.float32)


def _triangles(rng: Random, u: Array, v: Array) -> Array:
    pitch = rng.uniform(10, 28)
    b = v / pitch
    a = u / pitch + 0.5 * b
    x, y = a - np.floor(a), b - np.floor(b)
    shades = rng.choice([rng.uniform(0.0, 0.3), 1.0]) * (rng.random((64, 64, 2)) - 0.5)
    half = (x + y > 1).astype(int)
    cell = np.floor(a).astype(int) % 64, np.floor(b).astype(int) % 64, half
    return np.asarray(half * 1.4 - 0.7 + shades[cell], np.float32)


FAMILIES: dict[str, Callable[[Random, Array, Array], Array]] = {
    "clouded panel": _clouds,
    "grainy plaster": _grains,
    "labyrinth relief": _labyrinth,
    "camouflage sheet": _camouflage,
    "speckled shell": _speckled,
    "rippled sand": _rippled,
    "dotted board": _dotted,
    "ringed wallpaper": _ringed,
    "crosses print": _crosses,
    "fish scales": _scales,
    "chevron ribbon": _chevron,
    "chequered cloth": _chequered,
    "honeycomb": _honeycomb,
    "crystal facets": _faceted,
    "bubble film": _bubbly,
    "terrazzo": _terrazzo,
    "kaleidoscope foil": _interference,
    "felt": _felted,
    "marbled stone": _marbled,
    "maze print": _maze,
    "dashed paper": _dashes,
    "petals print": _petals,
    "code print": _code,
    "triangle mosaic": _triangles,
}
