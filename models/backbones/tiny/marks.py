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

from gad.models.backbones.tiny.camera import sample
from gad.models.backbones.tiny.shapes import Pick, blob, grid, line, ramp

SEEN = 0.03  # a pixel counts as flawed where its colour changed by so much, of a range of 1


def _over(pictures: Tensor, colour: Tensor, alpha: Tensor) -> Tensor:
    return pictures + (colour - pictures) * alpha[:, None]


def _scratch(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    away = line(pick, n, side, 28, 85, 0.08)
    core = torch.exp(-((away / pick.between(n, 0.7, 1.8)) ** 2))
    shadow = torch.exp(-(((away - 2.3) / 0.9) ** 2))
    return pictures + (pick.sign(n) * pick.between(n, 0.15, 0.5) * (core - 0.3 * shadow))[:, None]


def _crack(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    away = torch.minimum(line(pick, n, side, 30, 80, 0.7), line(pick, n, side, 12, 60, 0.3) + 0.3)
    alpha = pick.between(n, 0.7, 1.0) * torch.exp(-((away / pick.between(n, 0.9, 2.2)) ** 2))
    return _over(pictures, pick.colour(n), alpha)


def _fibre(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    away = line(pick, n, side, 24, 70, 0.7) / pick.between(n, 0.8, 1.6)
    shaded = pictures * (1 - 0.4 * torch.roll(ramp(2.4, 0.8, away), (2, 2), (1, 2))[:, None])
    return _over(shaded, pick.colour(n), ramp(2.2, 0.9, away))


def _hole(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    rho = blob(pick, n, side, 3.2, 11)
    rim = pick.between(n, -0.25, 0.25) * torch.exp(-(((rho - 1.25) / 0.2) ** 2))
    return _over(pictures + rim[:, None], pick.colour(n), ramp(1.12, 0.85, rho))


def _stain(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    rho = blob(pick, n, side, 5, 18)
    alpha = pick.between(n, 0.3, 1.0) * ramp(1.1, 0.85, rho) * (0.75 + 0.3 * ramp(0.6, 0.95, rho))
    return pictures * (1 - alpha[:, None] * (1 - pick.colour(n)))


def _colour(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    alpha = ramp(1.15, 0.6, blob(pick, n, side, 8, 20, 0.1)) * pick.between(n, 0.5, 1.0)
    shift = torch.rand((n, 3, 1, 1), generator=pick.generator) - 0.5
    return pictures * (1 + alpha[:, None] * shift)


def _worn(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    alpha = ramp(1.1, 0.8, blob(pick, n, side, 7, 19)) * pick.between(n, 0.6, 0.95)
    flat = F.interpolate(F.avg_pool2d(pictures, 16), size=side, mode="bilinear")
    return _over(pictures, flat + pick.between(n, -0.1, 0.1)[:, None], alpha)


def _dent(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    rho = blob(pick, n, side, 7, 17, 0.08)
    height = torch.exp(-2 * rho * rho)
    slope = torch.gradient(height, dim=1)[0] * pick.sign(n) + torch.gradient(height, dim=2)[0] * pick.sign(n)
    return pictures + (pick.between(n, 1.0, 3.0) * slope)[:, None]


def _warp(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    """The pattern is twisted, pushed aside or swollen around a point."""
    n, side = len(pictures), pictures.shape[-1]
    rho = blob(pick, n, side, 11, 22, 0.0)
    near = rho.flatten(1).argmin(1)
    x, y = grid(side)
    dx, dy = x - x.flatten(1)[0, near][:, None, None], y - y.flatten(1)[0, near][:, None, None]
    much = ramp(1.0, 0.0, rho)
    angle = pick.sign(n) * pick.between(n, 0.5, 1.6) * much
    push, grow = pick.between(n, -6, 6) * ramp(1.0, 0.2, rho), pick.between(n, -0.5, 0.3) * much
    u = x - dx + (1 + grow) * (dx * angle.cos() - dy * angle.sin()) + push
    return sample(pictures, u, y - dy + (1 + grow) * (dx * angle.sin() + dy * angle.cos()))


def _shifted(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    """A spot shows what lies elsewhere on the same surface, turned."""
    n, side = len(pictures), pictures.shape[-1]
    alpha = ramp(1.05, 0.95, blob(pick, n, side, 7, 18))
    turned = torch.flip(pictures.transpose(2, 3), (3,))
    return _over(pictures, torch.roll(turned, (side // 3, side // 4), (2, 3)), alpha)


def _foreign(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    """A piece of another surface."""
    alpha = ramp(1.1, 0.9, blob(pick, len(pictures), pictures.shape[-1], 5, 18))
    return _over(pictures, others, alpha)


def _specks(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    n, side = len(pictures), pictures.shape[-1]
    dots = torch.rand((n, 1, side // 3, side // 3), generator=pick.generator) < 0.12
    fine = F.interpolate(dots.float(), size=side, mode="bilinear")[:, 0]
    return _over(pictures, pick.colour(n), fine * ramp(1.1, 0.8, blob(pick, n, side, 6, 19)))


def _smear(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    """The surface is dragged along a direction."""
    n, side = len(pictures), pictures.shape[-1]
    x, y = grid(side)
    turn = pick.between(n, 0, 6.28)
    steps = [
        sample(pictures, x + far * turn.cos(), y + far * turn.sin()) for far in torch.arange(-8.0, 9.0, 4.0)
    ]
    return _over(pictures, torch.stack(steps).mean(0), ramp(1.1, 0.8, blob(pick, n, side, 8, 19)))


def _ring(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    """What a drop leaves when it dries."""
    n, side = len(pictures), pictures.shape[-1]
    rho = blob(pick, n, side, 6, 18, 0.1)
    alpha = pick.between(n, 0.4, 0.9) * torch.exp(-(((rho - 1) / pick.between(n, 0.08, 0.22)) ** 2))
    return _over(pictures, pick.colour(n), alpha)


def _label(pick: Pick, pictures: Tensor, others: Tensor) -> Tensor:
    """A rectangle of tape or paper, which may be see-through."""
    n, side = len(pictures), pictures.shape[-1]
    x, y = grid(side)
    x, y = x - pick.between(n, -0.4, 0.4) * side, y - pick.between(n, -0.4, 0.4) * side
    turn = pick.between(n, 0, 3.14)
    along, across = x * turn.cos() + y * turn.sin(), y * turn.cos() - x * turn.sin()
    out = torch.maximum(along.abs() - pick.between(n, 5, 22), across.abs() - pick.between(n, 3, 9))
    return _over(pictures, pick.colour(n), pick.between(n, 0.4, 1.0) * ramp(0.8, -0.8, out))


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
    "smear": _smear,
    "ring mark": _ring,
    "label": _label,
}


def damage(pick: Pick, pictures: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One random flaw on each picture: the pictures, masks ``[n, side, side]`` and the flaws' numbers."""
    kinds = pick.integers(len(pictures), len(MARKS))
    flawed = pictures.clone()
    for number, mark in enumerate(MARKS.values()):
        rows = (kinds == number).nonzero()[:, 0]
        if len(rows):
            flawed[rows] = mark(pick, pictures[rows], others[rows]).clamp(0, 1)
    return flawed, (flawed - pictures).abs().amax(1) > SEEN, kinds
