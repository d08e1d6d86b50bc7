"""PaDiM (arXiv 2011.08785): at every position a Gaussian of the prompts' features, and distances to it.

The paper's: layers concatenated on the finest grid, each coarser position repeated; random channels; the
sample covariance (divided by K - 1) plus epsilon I (equation 1); the Mahalanobis distance (equation 2); the
score is the maximum of the smoothed map. Of one prompt there is no covariance: it is epsilon I alone.

K prompts span at most K - 1 directions about their mean, so the inverse is never formed: along these the
distance is divided by epsilon plus their variance, along all others by epsilon.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gad.models.feature_maps import side_of

CHANNELS, CHANNELS_RESNET18 = 550, 100
POSITIONS = 512  # whose directions are computed at once


def how_many(asked: int, available: int, backbone: str) -> int:
    """Channels to keep. ValueError for more than there are."""
    if asked > available:
        raise ValueError(f"channels: {asked} asked for, {backbone} has {available} in these layers")
    usual = CHANNELS_RESNET18 if backbone.startswith("timm:resnet18") else CHANNELS
    return asked or min(usual, available)


def draw(channels: int, available: int, seed: int) -> Tensor:
    """Which channels: int64 ``[channels]``, distinct and ascending."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(available, generator=generator)[:channels].sort().values


def embedded(maps: list[Tensor], chosen: Tensor) -> Tensor:
    """The chosen channels on the finest grid: ``[n, C_l, side_l, side_l]`` each ``-> [n, side^2, channels]``.

    Channels are counted through the layers. A position of a coarser layer is repeated (nearest neighbour).
    """
    side, first, kept = side_of(maps), 0, []
    for each in maps:
        own = chosen[(chosen >= first) & (chosen < first + each.shape[1])] - first
        first += each.shape[1]
        kept.append(functional.interpolate(each[:, own], size=(side, side), mode="nearest"))
    return torch.cat(kept, dim=1).flatten(2).transpose(1, 2).contiguous()


@dataclass(frozen=True)
class Gaussians:
    """At each of P positions a mean ``[P, C]``, the directions in which the prompts vary ``[P, C, r]`` (of
    length 1, at right angles) and epsilon plus the variance along each, ``[P, r]``. float64: what lies across
    the directions is divided by a small epsilon, and so is its rounding."""

    mean: Tensor
    directions: Tensor
    variances: Tensor
    epsilon: float


def fit(prompts: Tensor, epsilon: float) -> Gaussians:
    """Gaussians of K prompts' ``[K, P, C]``."""
    shots = len(prompts)
    mean = prompts.double().mean(dim=0)
    directions, variances = [], []
    for rows, centre in zip(prompts.split(POSITIONS, dim=1), mean.split(POSITIONS), strict=True):
        spread = (rows.double() - centre).permute(1, 2, 0) / max(shots - 1, 1) ** 0.5
        basis, lengths, _ = torch.linalg.svd(spread, full_matrices=False)
        directions.append(basis)
        variances.append(lengths.square() + epsilon)
    return Gaussians(mean, torch.cat(directions), torch.cat(variances), epsilon)


def mahalanobis(query: Tensor, fitted: Gaussians) -> Tensor:
    """Distance of every position of one query to its Gaussian (equation 2): ``[P, C] -> [P]``, float64."""
    away = query.double() - fitted.mean
    along = torch.einsum("pcr,pc->pr", fitted.directions, away)
    across = away - torch.einsum("pcr,pr->pc", fitted.directions, along)
    squares = across.square().sum(dim=1) / fitted.epsilon + (along.square() / fitted.variances).sum(dim=1)
    return squares.sqrt()
