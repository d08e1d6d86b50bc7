"""What is measured of a patch at the start of training: colours, and amplitudes of waves by band and direction.

A patch's Fourier coefficients say where its pattern lies; their amplitudes say what it is like, and hardly
change when the pattern moves.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from gad.models.backbones.tiny.evaluate import STD

AXES = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]]) / 3  # lightness, two of colour
BANDS, DIRECTIONS = (1.0, 1.6, 2.6, 4.0, 6.0, 9.0), 4  # borders in waves per patch
TINTED = 2.3  # waves per patch up to which colours are measured
COLOUR, LIGHT, TINT = (8.0, 16.0, 16.0), 60.0, 90.0  # how much each counts in a distance


class Wave(NamedTuple):
    """A Fourier coefficient of one axis of colour; waves per patch."""

    axis: int
    down: int
    right: int

    @property
    def fineness(self) -> float:
        return math.hypot(self.down, self.right)


def chosen() -> list[Wave]:
    """All coarse waves of lightness, every fourth of the fine ones, and the coarsest of the two axes of colour."""
    half = [
        (down, right)
        for down in range(8)
        for right in range(-7, 8)
        if (down > 0 or right > 0) and math.hypot(down, right) < BANDS[-1]
    ]
    light = [
        Wave(0, down, right)
        for down, right in half
        if math.hypot(down, right) < BANDS[3] or (down + 2 * right) % 4 == 0
    ]
    return light + [Wave(axis, *wave) for axis in (1, 2) for wave in half if math.hypot(*wave) < TINTED]


def readings(waves: list[Wave]) -> Tensor:
    """Weights of the amplitudes in what is read from them: ``[bands x directions + 2, waves]``."""
    rows = []
    for low, high in itertools.pairwise(BANDS):
        for number in range(DIRECTIONS):
            turn = number * math.pi / DIRECTIONS
            near = [math.cos(math.atan2(wave.down, wave.right) - turn) ** 6 for wave in waves]
            inside = [float(wave.axis == 0 and low <= wave.fineness < high) for wave in waves]
            row = torch.tensor(near) * torch.tensor(inside)
            # Fine bands have more waves, each of them weaker: the root of the band's area makes up for it.
            rows.append(LIGHT * row / row.sum() * math.sqrt((high**2 - low**2) / DIRECTIONS))
    for axis in (1, 2):
        row = torch.tensor([float(wave.axis == axis) for wave in waves])
        rows.append(TINT * row / row.sum().sqrt())
    return torch.stack(rows)


def filters(waves: list[Wave], patch: int) -> tuple[Tensor, Tensor]:
    """Filters for pictures as CLIP normalises them, which give values of a range of 1.

    Cosines and then sines of the waves ``[2 x waves, 3, patch, patch]``; mean colours ``[3, 3, patch, patch]``.
    """
    line = 2 * math.pi * torch.arange(patch) / patch
    axes = AXES * torch.tensor(STD)
    angles = torch.stack([wave.down * line[:, None] + wave.right * line[None] for wave in waves])
    tinted = axes[[wave.axis for wave in waves]][:, :, None, None]
    both = torch.cat([tinted * angles.cos()[:, None], tinted * angles.sin()[:, None]])
    flat = (axes * torch.tensor(COLOUR)[:, None])[:, :, None, None].expand(-1, -1, patch, patch)
    return both / patch**2, flat / patch**2


def cosines(side: int, count: int) -> Tensor:
    """The ``count`` lowest two-dimensional cosines on a square but the constant, ``[count, side, side]``."""
    line = (torch.arange(side) + 0.5) * math.pi / side
    both = [(i, j) for i in range(side) for j in range(side)]
    order = sorted(both, key=lambda ij: (ij[0] ** 2 + ij[1] ** 2, ij))[1 : count + 1]
    return torch.stack([(i * line).cos()[:, None] * (j * line).cos()[None] for i, j in order])
