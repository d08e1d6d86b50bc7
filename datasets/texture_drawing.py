"""Draws one generated image: a surface in a random pose, perhaps a defect, then light and sensor noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gad.datasets.texture_defects import grid
from gad.datasets.texture_kinds import Defect, surfaces_of
from gad.datasets.texture_noise import Array, Stream

SIDE = 128  # pixels
SENSOR_NOISE = 0.012  # standard deviation, of a range of 1


def draw(
    dataset: str, category: str, split: str, defect: str, number: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """One image ``[128, 128, 3]`` uint8 RGB and, for a defect, its mask ``[128, 128]`` of 0 and 255.

    ``defect`` is ``good`` or a name that the surface has (KeyError otherwise).
    """
    surface = surfaces_of(dataset)[category]
    flaw = Defect() if defect == "good" else surface.defects[defect]
    stream = Stream(dataset, category, split, defect, str(number))
    x, y = grid(SIDE)
    u, v = _pose(stream, surface.turn, x, y)
    mask = None
    if flaw.bend is not None:
        u, v, mask = flaw.bend(stream, u, v, x, y)
    picture = surface.draw(stream, u, v)
    if flaw.paint is not None:
        picture, mask = flaw.paint(stream, picture)
    pixels = _photograph(stream, picture, x, y)
    return pixels, None if mask is None else np.where(mask, 255, 0).astype(np.uint8)


def _pose(stream: Stream, turn: float, x: Array, y: Array) -> tuple[Array, Array]:
    """Where the camera looks: a place, a small rotation and a distance that changes by up to 6 %."""
    angle, scale = stream.between(-turn, turn), stream.between(0.94, 1.06)
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    return (
        x * cos - y * sin + stream.between(200, 800),
        x * sin + y * cos + stream.between(200, 800),
    )


def _photograph(stream: Stream, picture: Array, x: Array, y: Array) -> NDArray[np.uint8]:
    """Uneven light, exposure, white balance and sensor noise; 8 bits."""
    tilt_x, tilt_y = stream.between(-0.10, 0.10), stream.between(-0.10, 0.10)
    light = stream.between(0.90, 1.10) * (1 + 2 * (tilt_x * x + tilt_y * y) / SIDE)
    balance = np.array([stream.between(0.98, 1.02) for _ in range(3)])
    picture = picture * light[..., None] * balance + SENSOR_NOISE * stream.pixels(picture.shape)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
