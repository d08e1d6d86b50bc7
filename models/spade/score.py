"""SPADE (arXiv 2005.02357): nearest normal images, and correspondences with a pyramid of their features.

The paper's: the score is the average distance of an image's pooled features to its K nearest normal images
(section 3.2), the map each position's distance to the nearest position of those images (section 3.3, kappa =
1) in the concatenated layers (section 3.4). Ours, where it is silent: distances are Euclidean, not squared;
coarser layers are upsampled bilinearly to the finest; among as few images as are shown here, all of the
``neighbours`` nearest are the gallery.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gad.models.feature_maps import side_of

ROWS = 512  # positions of a query that are compared at once


def nearest_prompts(query: Tensor, prompts: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """Distances to the min(neighbours, K) nearest prompts, ascending, and which: ``[D], [K, D] -> [k], [k]``."""
    distances = torch.linalg.vector_norm(prompts - query, dim=1)
    found, index = distances.sort(stable=True)
    return found[:neighbours], index[:neighbours]


def pyramid(maps: list[Tensor]) -> Tensor:
    """Layers side by side on the finest grid: ``[n, C_l, side_l, side_l]`` each ``-> [n, side^2, sum of C_l]``."""
    side = side_of(maps)
    same = [
        each
        if each.shape[-1] == side
        else functional.interpolate(each, size=(side, side), mode="bilinear", align_corners=False)
        for each in maps
    ]
    return torch.cat(same, dim=1).flatten(2).transpose(1, 2).contiguous()


def correspondence(query: Tensor, gallery: Tensor) -> Tensor:
    """Distance of every position to the nearest of the gallery's: ``[P, C], [m, C] -> [P]``.

    A product finds the nearest (about the gallery's centre, where little cancels); its distance is taken by
    difference.
    """
    centre = gallery.mean(dim=0)
    centred = gallery - centre
    half_squares = centred.square().sum(dim=1) / 2
    found = []
    for rows in query.split(ROWS):
        index = (half_squares - (rows - centre) @ centred.T).argmin(dim=1)
        found.append(torch.linalg.vector_norm(rows - gallery[index], dim=1))
    return torch.cat(found)
