"""Random numbers and noise for the generated surfaces. Everything is a function of coordinates.

Results must be the same on every machine and for every version of numpy: only raw uniform numbers are
drawn (numpy may change its other distributions), all is float64, and no sum depends on a thread count.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TABLE = 64  # random tables repeat after so many cells, more than any image shows


class Stream:
    """A stream of uniform random numbers, named by words instead of a seed."""

    def __init__(self, *words: str) -> None:
        seed = int.from_bytes(hashlib.sha256("|".join(words).encode()).digest()[:16], "big")
        self._generator = np.random.Generator(np.random.PCG64(seed))

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self._generator.random())

    def sign(self) -> float:
        return 1.0 if self._generator.random() < 0.5 else -1.0

    def table(self, low: float = -1.0, high: float = 1.0) -> Array:
        """``[TABLE, TABLE]`` uniform numbers."""
        return low + (high - low) * self._generator.random((TABLE, TABLE))

    def pixels(self, shape: tuple[int, ...]) -> Array:
        """Noise of the given shape, mean 0 and standard deviation 1, nearly Gaussian."""
        return (self._generator.random((3, *shape)).sum(axis=0) - 1.5) * 2.0


def step(low: float, high: float, value: Array) -> Array:
    """0 below ``low``, 1 above ``high`` (either may be the larger), smooth between."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def lookup(table: Array, column: Array, row: Array) -> Array:
    """Values of a random table at whole-numbered cells, which wrap around."""
    # Masks instead of a modulo: TABLE is a power of two, and whole numbers are several times as fast.
    wrap = TABLE - 1
    flat = ((row.astype(np.intp) & wrap) * TABLE) + (column.astype(np.intp) & wrap)
    return np.take(table, flat)


def smooth(table: Array, a: Array, b: Array) -> Array:
    """Value noise, about -1..1, that varies over a distance of one."""
    i, j = np.floor(a), np.floor(b)
    s, t = step(0, 1, a - i), step(0, 1, b - j)
    top = lookup(table, i, j) * (1 - s) + lookup(table, i + 1, j) * s
    low = lookup(table, i, j + 1) * (1 - s) + lookup(table, i + 1, j + 1) * s
    return top * (1 - t) + low * t


def fractal(stream: Stream, a: Array, b: Array, octaves: int = 3) -> Array:
    """Sum of value noises, each twice as fine and 0.6 times as strong as the one before; about -1..1."""
    total = np.zeros(np.broadcast(a, b).shape)
    weight = 1.0
    for octave in range(octaves):
        total += weight * smooth(stream.table(), a * 2**octave + 7.3 * octave, b * 2**octave + 3.1 * octave)
        weight *= 0.6
    return total / 1.4


class Cells(NamedTuple):
    """Irregular cells: distance to the nearest and second nearest centre, and what the nearest one is."""

    first: Array
    second: Array
    column: Array
    row: Array
    dx: Array
    dy: Array


def cells(stream: Stream, a: Array, b: Array, jitter: float = 0.9) -> Cells:
    """Cells of a mean size of one around lattice points moved by up to ``jitter / 2``."""
    move_a, move_b = stream.table(-jitter / 2, jitter / 2), stream.table(-jitter / 2, jitter / 2)
    i, j = np.floor(a), np.floor(b)
    first, second = np.full(a.shape, 81.0), np.full(a.shape, 81.0)  # squared until the end
    column, row, near_x, near_y = (np.zeros(a.shape) for _ in range(4))
    for right in (-1, 0, 1):
        for down in (-1, 0, 1):
            x = i + right + 0.5 + lookup(move_a, i + right, j + down) - a
            y = j + down + 0.5 + lookup(move_b, i + right, j + down) - b
            distance = x * x + y * y
            closer = distance < first
            second = np.where(closer, first, np.minimum(second, distance))
            first = np.where(closer, distance, first)
            column, row = np.where(closer, i + right, column), np.where(closer, j + down, row)
            near_x, near_y = np.where(closer, x, near_x), np.where(closer, y, near_y)
    return Cells(np.sqrt(first), np.sqrt(second), column, row, near_x, near_y)


def mix(dark: tuple[float, float, float], light: tuple[float, float, float], amount: Array) -> Array:
    """Colours ``[..., 3]`` between two, by ``amount`` (0..1, may go a little beyond)."""
    first, last = np.array(dark), np.array(light)
    return first + (last - first) * amount[..., None]
