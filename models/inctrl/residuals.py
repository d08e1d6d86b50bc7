"""What a query and its prompts are put together by, at both levels: InCTRL's difference, or what stands for it.

The difference is the paper's (arXiv 2403.06495, section 3); ``concat`` and ``average`` are its ablation.
What the paper leaves open there is chosen in docs/decisions/0005-inctrl-variants.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from gad.models.nearest_distance import nearest_distance

RESIDUALS = ("subtract", "concat", "average")


def combined(residual: str, prompt: Tensor, query: Tensor) -> Tensor:
    """``[..., D]`` and ``[..., D]`` put together: ``[..., D]``, or ``[..., 2D]`` for ``concat``, the prompt first."""
    if residual == "subtract":
        return prompt - query
    if residual == "average":
        return (prompt + query) / 2
    return torch.cat([prompt, query], dim=-1)


def inputs_of(residual: str, width: int) -> int:
    """How wide what :func:`combined` returns is."""
    return 2 * width if residual == "concat" else width


def patch_distances(queries: Sequence[Tensor], prompts: Sequence[Tensor]) -> Tensor:
    """The patch residual M of the paper: nearest distances, averaged over layers.

    One ``[n, P, C]`` and one ``[K, P, C]`` per layer. Returns float32 ``[n, P]`` in 0..1.
    """
    distances = [nearest_distance(q, p) for q, p in zip(queries, prompts, strict=True)]
    return torch.stack(distances).mean(dim=0)


def nearest_pairs(queries: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
    """Every query patch and the prompt patch nearest to it by cosine, float32 ``[n, P, C]`` each.

    ``queries``: ``[n, P, C]``; ``prompts``: ``[K, R, C]``, any float type. What comes back has length 1,
    as in the distance. Of equally near patches the first is taken. One query image at a time, so that its
    bits do not depend on the others.
    """
    own = functional.normalize(queries.float(), dim=-1)
    others = functional.normalize(prompts.float(), dim=-1).flatten(0, 1)
    return own, torch.stack([others[(image @ others.T).argmax(dim=-1)] for image in own])


class PatchPairs(nn.ModuleList):
    """The patch residual of ``concat`` and ``average``: a linear layer (C or 2C -> 1) per encoder layer.

    Each is applied to a query patch put together with its nearest prompt patch; then sigmoid, and the mean
    over layers. Parameters are ``0.weight``, ``0.bias``, ``1.weight`` and so on.
    """

    def __init__(self, layers: int, width: int, residual: str) -> None:
        super().__init__(nn.Linear(inputs_of(residual, width), 1) for _ in range(layers))
        self.residual = residual

    def forward(self, queries: Sequence[Tensor], prompts: Sequence[Tensor]) -> Tensor:
        """As :func:`patch_distances`."""
        maps = []
        for linear, tokens, references in zip(self, queries, prompts, strict=True):
            own, nearest = nearest_pairs(tokens, references)
            maps.append(torch.sigmoid(linear(combined(self.residual, nearest, own))).squeeze(-1))
        return torch.stack(maps).mean(dim=0)
