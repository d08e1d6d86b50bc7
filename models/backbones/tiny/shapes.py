"""Random numbers for batches of pictures, and shapes as functions of position."""

from __future__ import annotations

import torch
from torch import Tensor


class Pick:
    """Random numbers for a batch: ``[n, 1, 1]`` each, so that they broadcast over an image."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def between(self, n: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((n, 1, 1), generator=self.generator)

    def sign(self, n: int) -> Tensor:
        return torch.where(self.between(n, 0, 1) < 0.5, -1.0, 1.0)

    def colour(self, n: int) -> Tensor:
        """``[n, 3, 1, 1]``, anything from black to white."""
        value = self.between(n, 0, 1)[:, None] + 0.35 * (
            torch.rand((n, 3, 1, 1), generator=self.generator) - 0.5
        )
        return value.clamp(0.02, 0.98)

    def integers(self, n: int, high: int) -> Tensor:
        return torch.randint(high, (n,), generator=self.generator)


def grid(side: int) -> tuple[Tensor, Tensor]:
    """Pixel positions from the middle: x to the right, y down, ``[1, side, side]`` each."""
    line = torch.arange(side) - (side - 1) / 2
    return line.expand(1, side, side), line[:, None].expand(1, side, side)


def ramp(low: float, high: float, value: Tensor) -> Tensor:
    """0 at ``low``, 1 at ``high`` (either may be the larger), smooth between."""
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def blob(pick: Pick, n: int, side: int, low: float, high: float, rough: float = 0.25) -> Tensor:
    """0 in the middle of an irregular spot of a radius between two numbers of pixels, 1 on its edge."""
    x, y = grid(side)
    x, y = x - pick.between(n, -0.42, 0.42) * side, y - pick.between(n, -0.42, 0.42) * side
    turn, long = pick.between(n, 0, 3.14), pick.between(n, 0.7, 1.4)
    x, y = (x * turn.cos() + y * turn.sin()) * long, (y * turn.cos() - x * turn.sin()) / long
    angle, edge = torch.atan2(y, x), torch.ones(1)
    for wave in (2, 3, 5):
        edge = edge + rough / wave * torch.cos(wave * angle + pick.between(n, 0, 6.28))
    return torch.hypot(x, y) / (pick.between(n, low, high) * edge)


def line(pick: Pick, n: int, side: int, low: float, high: float, wander: float) -> Tensor:
    """Distance in pixels to a line of a length between two numbers, which turns by up to ``wander``."""
    pieces = 8
    length = pick.between(n, low, high)[:, :, 0] / pieces
    wiggle = wander * (2 * torch.rand((n, pieces), generator=pick.generator) - 1)
    angle = pick.between(n, 0, 6.28)[:, :, 0] + wiggle.cumsum(1)
    step = torch.stack([angle.cos(), angle.sin()], -1) * length[..., None]
    points = torch.cat([torch.zeros(n, 1, 2), step.cumsum(1)], 1)
    centre = torch.cat([pick.between(n, -0.35, 0.35), pick.between(n, -0.35, 0.35)], -1) * side
    return distance(points - points.mean(1, keepdim=True) + centre, side)


def distance(points: Tensor, side: int) -> Tensor:
    """Distance of every pixel to the polylines ``[n, points, 2]``: ``[n, side, side]``."""
    x, y = grid(side)
    start, step = points[:, :-1, :, None, None], (points[:, 1:] - points[:, :-1])[..., None, None]
    dx, dy = x - start[:, :, 0], y - start[:, :, 1]
    along = (dx * step[:, :, 0] + dy * step[:, :, 1]) / (step.square().sum(2) + 1e-6)
    along = along.clamp(0, 1)
    squared = (dx - along * step[:, :, 0]).square() + (dy - along * step[:, :, 1]).square()
    return squared.amin(1).sqrt()
