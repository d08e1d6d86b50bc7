"""A Gaussian at every position, and distances to it (RegAD, normal distribution estimation and inference).

    Sigma = 1 / (N - 1) sum over n of (f_n - mu)(f_n - mu)^T + epsilon I
    M(f) = sqrt((f - mu)^T Sigma^-1 (f - mu))

With X the N deviations over sqrt(N - 1) as columns, Sigma = X X^T + epsilon I, and (Woodbury)

    epsilon M(f)^2 = |d|^2 - |L^-1 X^T d|^2,   d = f - mu,   L L^T = X^T X + epsilon I,

which takes matrices of N x N where there are fewer views than channels, as of 22 K views there usually are. Else
M(f) = |L^-1 d| with L L^T = Sigma. All in float64: what lies across the views is divided by a small epsilon, and so
is its rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

POSITIONS = 64  # whose matrices are worked on at once


@dataclass(frozen=True)
class Gaussians:
    """Of P positions and C channels: ``mean`` ``[P, C]``, and ``factor`` ``[P, min(N, C), C]``, which is L^-1 X^T
    where ``across`` (fewer views than channels), else L^-1."""

    mean: Tensor
    factor: Tensor
    epsilon: float
    across: bool


def places(sides: list[int]) -> list[Tensor]:
    """For each layer, which of its positions lies at each of the finest layer's: int64 ``[side^2]``, by rows.

    A coarser layer's position is repeated (nearest neighbour).
    """
    side = max(sides)
    line = torch.arange(side)
    steps = [line * own // side for own in sides]
    return [(step[:, None] * own + step[None, :]).flatten() for step, own in zip(steps, sides, strict=True)]


def at(maps: list[Tensor], where: list[Tensor]) -> Tensor:
    """Channels of all layers side by side, ``[p, C, n]``: of maps ``[n, C_l, side_l, side_l]`` at positions ``[p]``."""
    rows = [each.flatten(2)[:, :, place] for each, place in zip(maps, where, strict=True)]
    return torch.cat(rows, dim=1).permute(2, 1, 0)


def fit(maps: list[Tensor], epsilon: float) -> Gaussians:
    """Gaussians of N views' maps ``[N, C_l, side_l, side_l]``, N at least 2."""
    where = places([each.shape[-1] for each in maps])
    views, channels = len(maps[0]), sum(each.shape[1] for each in maps)
    across = views < channels
    means, factors = [], []
    for block in zip(*(place.split(POSITIONS) for place in where), strict=True):
        rows = at(maps, list(block)).double()
        mean = rows.mean(dim=2)
        spread = (rows - mean[:, :, None]) / (views - 1) ** 0.5
        gram = spread.mT @ spread if across else spread @ spread.mT
        eye = torch.eye(gram.shape[1], dtype=gram.dtype)
        lower = torch.linalg.cholesky(gram + epsilon * eye)
        right = spread.mT if across else eye.expand_as(gram)
        factors.append(torch.linalg.solve_triangular(lower, right, upper=False))
        means.append(mean)
    return Gaussians(torch.cat(means), torch.cat(factors), epsilon, across)


def mahalanobis(maps: list[Tensor], fitted: Gaussians) -> Tensor:
    """Distances of n queries' positions: maps ``[n, C_l, side_l, side_l]`` ``-> [n, side, side]``, float64."""
    where = places([each.shape[-1] for each in maps])
    found = []
    for number, block in enumerate(zip(*(place.split(POSITIONS) for place in where), strict=True)):
        own = slice(number * POSITIONS, (number + 1) * POSITIONS)
        away = at(maps, list(block)).double() - fitted.mean[own, :, None]
        squares = (fitted.factor[own] @ away).square().sum(dim=1)
        if fitted.across:
            squares = (away.square().sum(dim=1) - squares) / fitted.epsilon
        found.append(squares.sqrt())
    side = max(each.shape[-1] for each in maps)
    return torch.cat(found).T.unflatten(1, (side, side))
