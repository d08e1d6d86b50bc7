"""How far vectors are from the nearest of some others: what InCTRL and WinCLIP compare patches by."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def nearest_distance(queries: Tensor, prompts: Tensor) -> Tensor:
    """Half the cosine distance of every query vector to its nearest prompt vector.

    ``queries``: ``[n, P, C]``; ``prompts``: ``[K, R, C]``, any float type, computed in float32.
    Returns float32 ``[n, P]`` in 0..1. Products run in tiles of one prompt image, so the bits against
    the first K prompts do not depend on how many follow.
    """
    queries = functional.normalize(queries.float(), dim=-1)
    best = queries.new_full(queries.shape[:2], -1.0)
    for prompt in prompts:
        tile = functional.normalize(prompt.float(), dim=-1)
        best = torch.maximum(best, (queries @ tile.T).amax(dim=-1))
    return halved(best)


def halved(cosine: Tensor) -> Tensor:
    """``0.5 * (1 - cos)``. A rounded cosine may exceed 1 by an ulp; a distance is never negative."""
    return (0.5 * (1.0 - cosine)).clamp(0.0, 1.0)
