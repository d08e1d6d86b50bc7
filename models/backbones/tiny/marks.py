"""Flaws that are drawn on batches of images, with masks of what they changed.

A flaw is ``mark(pick, pictures, others)`` -> changed pictures; ``pictures`` are ``[n, 3, side, side]``, 0..1,
and ``others`` shows other surfaces, for what does not belong. Two of the flaws of ``textures`` are not
among them: folds, and missing lines (a thread or a wire); see card.md.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

SEEN = 0.03  # a pixel counts as flawed where its colour changed by so much, of a range of 1


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


def _over(pictures: Tensor, colour: Tensor, alpha: Tensor) -> Tensor:
    return pictures + (colour - pictures) * alpha[:, None]


def _scratch(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    away = line(pick, n, side, 20, 55, 0.08)
    core = torch.exp(-((away / pick.between(n, 0.5, 1.2)) ** 2))
    shadow = torch.exp(-(((away - 1.6) / 0.7) ** 2))
    return pictures + (pick.sign(n) * pick.between(n, 0.12, 0.45) * (core - 0.3 * shadow))[:, None]


def _crack(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    away = torch.minimum(line(pick, n, side, 20, 50, 0.7), line(pick, n, side, 8, 50, 0.3) + 0.3)
    alpha = pick.between(n, 0.6, 1.0) * torch.exp(-((away / pick.between(n, 0.6, 1.3)) ** 2))
    return _over(pictures, pick.colour(n), alpha)


def _fibre(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    away = line(pick, n, side, 15, 45, 0.7) / pick.between(n, 0.7, 1.5)
    shaded = pictures * (1 - 0.4 * torch.roll(ramp(1.6, 0.5, away), (1, 1), (1, 2))[:, None])
    return _over(shaded, pick.colour(n), ramp(1.5, 0.6, away))


def _hole(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    rho = blob(pick, n, side, 2.2, 7)
    rim = pick.between(n, -0.25, 0.25) * torch.exp(-(((rho - 1.25) / 0.2) ** 2))
    return _over(pictures + rim[:, None], pick.colour(n), ramp(1.12, 0.85, rho))


def _stain(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    rho = blob(pick, n, side, 3, 11)
    alpha = pick.between(n, 0.35, 1.0) * ramp(1.1, 0.85, rho) * (0.75 + 0.3 * ramp(0.6, 0.95, rho))
    return pictures * (1 - alpha[:, None] * (1 - pick.colour(n)))


def _colour(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    alpha = ramp(1.15, 0.6, blob(pick, n, side, 6, 13, 0.1))
    shift = 0.8 * (torch.rand((n, 3, 1, 1), generator=pick.generator) - 0.5)
    return pictures * (1 + alpha[:, None] * shift)


def _worn(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    alpha = ramp(1.1, 0.8, blob(pick, n, side, 5, 12)) * pick.between(n, 0.6, 0.95)
    flat = F.avg_pool2d(pictures, 11, 1, 5, count_include_pad=False)
    return _over(pictures, flat + pick.between(n, -0.1, 0.1)[:, None], alpha)


def _dent(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    rho = blob(pick, n, side, 5, 11, 0.08)
    height = torch.exp(-2 * rho * rho)
    slope = torch.gradient(height, dim=1)[0] * pick.sign(n) + torch.gradient(height, dim=2)[0] * pick.sign(n)
    return pictures + (pick.between(n, 0.8, 2.2) * slope)[:, None]


def _warp(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    """The pattern is twisted or pushed aside around a point."""
    n, side = len(pictures), pictures.shape[-1]
    rho = blob(pick, n, side, 7, 14, 0.0)
    near = rho.flatten(1).argmin(1)
    x, y = grid(side)
    dx, dy = x - x.flatten(1)[0, near][:, None, None], y - y.flatten(1)[0, near][:, None, None]
    angle = pick.sign(n) * pick.between(n, 0.5, 1.5) * ramp(1.0, 0.0, rho)
    push = pick.between(n, -4, 4) * ramp(1.0, 0.2, rho)
    u, v = x - dx + dx * angle.cos() - dy * angle.sin() + push, y - dy + dx * angle.sin() + dy * angle.cos()
    return sample(pictures, u, v)


def _shifted(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    """A spot shows what lies elsewhere on the same surface, turned."""
    n, side = len(pictures), pictures.shape[-1]
    alpha = ramp(1.05, 0.95, blob(pick, n, side, 4, 11))
    turned = torch.flip(pictures.transpose(2, 3), (3,))
    return _over(pictures, torch.roll(turned, (side // 3, side // 4), (2, 3)), alpha)


def _foreign(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    """A piece of another surface."""
    alpha = ramp(1.1, 0.9, blob(pick, len(pictures), pictures.shape[-1], 3, 11))
    return _over(pictures, others, alpha)


def _specks(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    dots = torch.rand((n, 1, side // 2, side // 2), generator=pick.generator) < 0.12
    fine = F.interpolate(dots.float(), size=side, mode="bilinear")[:, 0]
    return _over(pictures, pick.colour(n), fine * ramp(1.1, 0.8, blob(pick, n, side, 4, 12)))


MARKS: dict[str, Callable[[Pick, Tensor, Tensor], Tensor]] = {
    "scratch": _scratch,
    "crack": _crack,
    "fibre": _fibre,
    "hole": _hole,
    "stain": _stain,
    "discolouration": _colour,
    "worn spot": _worn,
    "dent": _dent,
    "distortion": _warp,
    "displaced part": _shifted,
    "foreign material": _foreign,
    "cluster of specks": _specks,
}


def sample(pictures: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Pictures seen through other coordinates (pixels from the middle), mirrored beyond their edges."""
    half = pictures.shape[-1] / 2
    where = torch.stack([u / half, v / half], -1)
    return F.grid_sample(pictures, where, "bilinear", "reflection", align_corners=False)


def damage(pick: Pick, pictures: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One random flaw on each picture: the pictures, masks ``[n, side, side]`` and the flaws' numbers."""
    kinds = pick.integers(len(pictures), len(MARKS))
    flawed = pictures.clone()
    for number, mark in enumerate(MARKS.values()):
        rows = (kinds == number).nonzero()[:, 0]
        if len(rows):
            flawed[rows] = mark(pick, pictures[rows], others[rows]).clamp(0, 1)
    return flawed, (flawed - pictures).abs().amax(1) > SEEN, kinds


def photograph(pick: Pick, canvases: Tensor, side: int, turns: Tensor) -> Tensor:
    """One crop ``[n, 3, side, side]`` of each canvas in a random pose, turned by up to ``turns`` radians."""
    n, whole = len(canvases), canvases.shape[-1]
    x, y = grid(side)
    angle, scale = turns[:, None, None] * pick.between(n, -1, 1), pick.between(n, 0.93, 1.07)
    reach = (whole - side) / 2
    u = (x * angle.cos() - y * angle.sin()) * scale + pick.between(n, -reach, reach)
    v = (x * angle.sin() + y * angle.cos()) * scale + pick.between(n, -reach, reach)
    return sample(canvases, u, v)


def light(pick: Pick, pictures: Tensor) -> Tensor:
    """Uneven light, exposure, white balance and sensor noise."""
    n, side = len(pictures), pictures.shape[-1]
    x, y = grid(side)
    tilt = pick.between(n, -0.12, 0.12) * x + pick.between(n, -0.12, 0.12) * y
    gain = pick.between(n, 0.88, 1.12) * (1 + tilt * 2 / side)
    balance = 1 + 0.05 * (torch.rand((n, 3, 1, 1), generator=pick.generator) - 0.5)
    grain = torch.randn(pictures.shape, generator=pick.generator) * pick.between(n, 0.002, 0.016)[:, None]
    return (pictures * gain[:, None] * balance + grain).clamp(0, 1)
