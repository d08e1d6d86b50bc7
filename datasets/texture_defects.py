"""Defects for the generated surfaces.

A defect that is painted is ``paint(stream, picture)`` -> (picture, mask); one that bends the pattern is
``bend(stream, u, v, x, y)`` -> (u, v, mask). ``x`` and ``y`` are pixel positions from the centre; the
mask is True where the image shows the defect. All defects are local and well above the surface's noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gad.datasets.texture_noise import Array, Stream, step

Mask = NDArray[np.bool_]
Paint = Callable[[Stream, Array], tuple[Array, Mask]]
Bend = Callable[[Stream, Array, Array, Array, Array], tuple[Array, Array, Mask]]
Colour = tuple[float, float, float]

REACH = 0.32  # a defect's centre lies within this fraction of the image's side from its middle


def grid(side: int) -> tuple[Array, Array]:
    """``x`` (to the right) and ``y`` (down) of every pixel, 0 in the middle, ``[side, side]`` each."""
    line = np.arange(side) - (side - 1) / 2
    return np.broadcast_to(line[None, :], (side, side)).copy(), np.broadcast_to(
        line[:, None], (side, side)
    ).copy()


def _blob(stream: Stream, x: Array, y: Array, radius: float, rough: float = 0.22) -> Array:
    """0 in the middle of an irregular spot somewhere in the picture, 1 on its edge, more outside."""
    reach = REACH * x.shape[0]
    x, y = x - stream.between(-reach, reach), y - stream.between(-reach, reach)
    angle = np.arctan2(y, x)
    edge = 1 + 0.25 * np.cos(2 * angle + stream.between(0, 6.28))
    for wave in (3, 5, 8):
        edge = edge + rough / wave**0.5 * np.cos(wave * angle + stream.between(0, 6.28))
    return np.sqrt(x * x + y * y) / (radius * np.maximum(edge, 0.3))


def _line(
    stream: Stream, x: Array, y: Array, length: float, wander: float, turn: float | None = None
) -> Array:
    """Distance in pixels to a line of ``length`` that starts somewhere and changes direction by ``wander``."""
    reach = REACH * x.shape[0]
    turn = stream.between(0, 6.28) if turn is None else turn
    # Starting half a length before a point inside keeps most of the line in the picture.
    px = stream.between(-reach, reach) - 0.5 * length * np.cos(turn)
    py = stream.between(-reach, reach) - 0.5 * length * np.sin(turn)
    best = np.full(x.shape, 1e9)
    pieces = 10
    for _ in range(pieces):
        dx, dy = np.cos(turn) * length / pieces, np.sin(turn) * length / pieces
        along = np.clip(((x - px) * dx + (y - py) * dy) / (dx * dx + dy * dy), 0, 1)
        best = np.minimum(best, (x - px - along * dx) ** 2 + (y - py - along * dy) ** 2)
        px, py, turn = px + dx, py + dy, turn + stream.between(-wander, wander)
    return np.sqrt(best)


def _over(picture: Array, colour: Colour | Array, alpha: Array) -> Array:
    return picture + (np.asarray(colour) - picture) * alpha[..., None]


def scratch(bright: bool) -> Paint:
    """A thin, nearly straight line with a shadow beside it."""

    def paint(stream: Stream, picture: Array) -> tuple[Array, Mask]:
        x, y = grid(len(picture))
        distance = _line(stream, x, y, stream.between(38, 75), 0.09)
        core = np.exp(-((distance / stream.between(0.9, 1.3)) ** 2))
        shadow = np.exp(-(((distance - 2.2) / 0.9) ** 2))
        depth = stream.between(0.2, 0.38) * (1.0 if bright else -1.0)
        return picture + (depth * (core - 0.3 * shadow))[..., None], distance < 2.0

    return paint


def crack(colour: Colour, *, width: float = 1.1, wander: float = 0.75) -> Paint:
    """A jagged dark line with a branch."""

    def paint(stream: Stream, picture: Array) -> tuple[Array, Mask]:
        x, y = grid(len(picture))
        distance = np.minimum(
            _line(stream, x, y, stream.between(45, 75), wander),
            0.4 + _line(stream, x, y, stream.between(18, 30), wander),
        )
        return _over(picture, colour, 0.9 * step(width + 1.0, width - 0.4, distance)), distance < width + 0.8

    return paint


def stain(tint: Colour, *, strength: float = 0.6) -> Paint:
    """A spot of liquid: the surface shows through, tinted, darkest along its edge."""

    def paint(stream: Stream, picture: Array) -> tuple[Array, Mask]:
        rho = _blob(stream, *grid(len(picture)), radius=stream.between(7, 15))
        alpha = (
            stream.between(0.55, 1.0) * strength * step(1.08, 0.9, rho) * (0.75 + 0.35 * step(0.6, 0.95, rho))
        )
        return picture * (1 - alpha[..., None] * (1 - np.array(tint))), rho < 1.0

    return paint


def blotch(shift: Colour) -> Paint:
    """A soft change of colour; the texture itself is untouched."""

    def paint(stream: Stream, picture: Array) -> tuple[Array, Mask]:
        rho = _blob(stream, *grid(len(picture)), radius=stream.between(11, 18), rough=0.12)
        alpha = step(1.15, 0.65, rho) * stream.between(0.6, 1.0)
        return picture * (1 + alpha[..., None] * np.array(shift)), rho < 0.95

    return paint


def hole(inside: Colour, *, rim: float = 0.18, radius: tuple[float, float] = (4.0, 7.0)) -> Paint:
    """A small opening with a raised rim."""

    def paint(stream: Stream, picture: Array) -> tuple[Array, Mask]:
        x, y = grid(len(picture))
        rho = _blob(stream, x, y, radius=stream.between(*radius), rough=0.15)
        ring: Array = rim * np.exp(-(((rho - 1.25) / 0.18) ** 2))
        return _over(picture + ring[..., None], inside, step(1.12, 0.88, rho)), rho < 1.15

    return paint


def dent(strength: float = 1.0) -> Paint:
    """A shallow hollow, lit from one side."""

    def paint(stream: Stream, picture: Array) -> tuple[Array, Mask]:
        rho = _blob(stream, *grid(len(picture)), radius=stream.between(9, 15), rough=0.06)
        height = 4.5 * np.exp(-2.0 * rho * rho)
        slope: Array = np.gradient(height, axis=0) + np.gradient(height, axis=1)
        slope *= stream.between(0.6, 1.0) * strength * 0.55
        return picture + slope[..., None], rho < 1.1

    return paint


def fold(strength: float = 1.0) -> Paint:
    """A crease: a lit ridge between two shadows."""

    def paint(stream: Stream, picture: Array) -> tuple[Array, Mask]:
        distance = _line(stream, *grid(len(picture)), stream.between(55, 90), 0.07)
        ridge = np.exp(-((distance / 1.8) ** 2)) - 0.8 * np.exp(-(((distance - 4.2) / 1.8) ** 2))
        return picture + stream.between(0.6, 1.0) * strength * 0.28 * ridge[..., None], distance < 6.0

    return paint


def debris(colour: Colour) -> Paint:
    """A curled thread lying on the surface, with its shadow."""

    def paint(stream: Stream, picture: Array) -> tuple[Array, Mask]:
        x, y = grid(len(picture))
        distance = _line(stream, x, y, stream.between(32, 60), 0.6)
        body = step(2.1, 0.9, distance)
        shaded = picture * (1 - 0.45 * np.roll(body, (2, 2), axis=(0, 1)))[..., None]
        return _over(shaded, np.array(colour) * (0.8 + 0.2 * body[..., None]), body), distance < 2.0

    return paint


def worn(lighten: float) -> Paint:
    """A rubbed spot: the texture is flattened to its local mean and changes its brightness a little."""

    def paint(stream: Stream, picture: Array) -> tuple[Array, Mask]:
        rho = _blob(stream, *grid(len(picture)), radius=stream.between(10, 16))
        mean = picture.mean(axis=(0, 1))
        return _over(picture, 0.25 * picture + 0.75 * mean + lighten, step(1.1, 0.8, rho)), rho < 1.0

    return paint


def missing_line(pitch: float, centre: float) -> Bend:
    """A thread or wire (at ``centre`` pitches) is missing for a while: what lies half a pitch on is seen."""

    def bend(stream: Stream, u: Array, v: Array, x: Array, y: Array) -> tuple[Array, Array, Mask]:
        reach, middle = REACH * x.shape[0], (x.shape[0] - 1) // 2
        half = stream.between(18, 32)
        swap = stream.sign() > 0
        across, along = (v, u) if swap else (u, v)
        line = np.round((across[middle, middle] + stream.between(-reach, reach)) / pitch - centre) + centre
        start = along[middle, middle] + stream.between(-reach, reach)
        gone = (np.abs(across / pitch - line) < 0.5) & (np.abs(along - start) < half)
        across = np.where(gone, (line + 0.5) * pitch, across)
        return (along, across, gone) if swap else (across, along, gone)

    return bend


def swirl(strength: float) -> Bend:
    """The pattern is twisted around a point."""

    def bend(stream: Stream, u: Array, v: Array, x: Array, y: Array) -> tuple[Array, Array, Mask]:
        rho = _blob(stream, x, y, radius=stream.between(14, 20), rough=0.0)
        near = np.unravel_index(int(np.argmin(rho)), rho.shape)
        du, dv = u - u[near], v - v[near]
        angle = stream.sign() * stream.between(0.7, 1.0) * strength * step(1.0, 0.0, rho)
        cos, sin = np.cos(angle), np.sin(angle)
        return u[near] + du * cos - dv * sin, v[near] + du * sin + dv * cos, rho < 0.9

    return bend
