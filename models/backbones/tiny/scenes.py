"""Surfaces to train the tiny backbone on: many families, each with random parameters.

``canvas(rng, family)`` draws one surface, larger than an image, so that images are crops of it. A family
is ``field(rng, u, v)`` -> a height map of about -1..1 over positions in pixels; colours, relief, a second
weaker pattern and grain are added to all families alike. No family imitates one of the six surfaces of
``textures`` (see card.md): those are what the backbone is tried on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Random = np.random.Generator

SIDE = 160  # pixels of a canvas; an image is a crop of 80 of them


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
    return noise(rng, 2.0, 160, rng.uniform(0.8, 2.0)) * 0.5


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
    bend = rng.uniform(0, 0.6) * noise(rng, 30, 160)
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
}


def canvas(rng: Random, family: str) -> NDArray[np.uint8]:
    """One surface of a family, ``[3, SIDE, SIDE]`` uint8 RGB."""
    turn = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    line = np.arange(SIDE, dtype=np.float32)
    x, y = line[None, :] + rng.uniform(200, 800), line[:, None] + rng.uniform(200, 800)
    u, v = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    if rng.random() < 0.6:  # nothing real is perfectly straight
        strength = rng.uniform(0.2, 2.0)
        u, v = u + strength * noise(rng, 10, 60), v + strength * noise(rng, 10, 60)
    field = FAMILIES[family](rng, u, v)
    if rng.random() < 0.5:
        other = FAMILIES[str(rng.choice(list(FAMILIES)))]
        field = field + rng.uniform(0.05, 0.35) * other(rng, u, v)
    picture = _coloured(rng, field)
    relief = rng.choice([0.0, rng.uniform(0.02, 0.2)])
    slope = rng.choice([-1, 1]) * np.gradient(field, axis=0) + rng.choice([-1, 1]) * np.gradient(
        field, axis=1
    )
    picture = picture + relief * slope + rng.uniform(0.0, 0.05) * noise(rng, 2, 4)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _coloured(rng: Random, field: Array) -> Array:
    """Height to colour: two to four colours around one, with a random contrast."""
    count = rng.integers(2, 5)
    base = rng.uniform(0.2, 0.8) + rng.uniform(0, 0.25) * rng.uniform(-1, 1, 3)  # mostly muted
    spread = rng.uniform(0.08, 0.6)
    levels = rng.permutation(np.linspace(-1, 1, count))[:, None]  # mainly light against dark
    colours = np.clip(base + spread * (0.7 * levels + 0.3 * rng.uniform(-1, 1, (count, 3))), 0.02, 0.98)
    places = np.linspace(-1, 1, count)
    flat = np.clip(field, -1.3, 1.3).ravel()
    return np.stack([np.interp(flat, places, c).reshape(field.shape) for c in colours.T]).astype(np.float32)
