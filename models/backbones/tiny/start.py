"""Where the training starts: patch filters and positions from cosines, small residual branches."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

POS, BRANCH = 0.3, 1.0  # strengths at the start


def waves(size: int, count: int) -> Tensor:
    """The ``count`` lowest two-dimensional cosines on a square, ``[count, size, size]``, finer ones stronger."""
    line = (torch.arange(size) + 0.5) * math.pi / size
    order = sorted(
        ((i, j) for i in range(size) for j in range(size)), key=lambda ij: (ij[0] ** 2 + ij[1] ** 2, ij)
    )
    # Fine detail is weak in pictures: what grows with frequency makes all inputs about equally strong.
    return torch.stack(
        [
            (1 + math.hypot(i, j)) / size * (i * line).cos()[:, None] * (j * line).cos()[None]
            for i, j in order[:count]
        ]
    )


def prepare(model: Any) -> None:
    """Start from cosines, in the patches and over the positions, and from small residual branches."""
    visual = model.visual
    width, _, patch, _ = visual.conv1.weight.shape
    axes = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]]) / 3
    filters = [
        axis[:, None, None] * wave[None]
        for axis, count in zip(axes, (width - 2 * (width // 6), width // 6, width // 6), strict=True)
        for wave in waves(patch, count)
    ]
    assert len(filters) == width
    with torch.no_grad():
        visual.conv1.weight.copy_(torch.stack(filters))
        count = min(width // 2, math.prod(visual.grid_size))
        positions = waves(visual.grid_size[0], count).flatten(1).T
        visual.positional_embedding.zero_()
        visual.positional_embedding[1:, : 2 * count] = POS * torch.cat([positions, positions.flip(0)], 1)
        for tower in (visual.transformer, model.transformer):
            for block in tower.resblocks:
                for weight in (block.attn.in_proj_weight, block.mlp.c_fc.weight):
                    torch.nn.init.xavier_uniform_(weight)
                for weight in (block.attn.out_proj.weight, block.mlp.c_proj.weight):
                    torch.nn.init.normal_(
                        weight, std=BRANCH * (weight.shape[1] * len(tower.resblocks)) ** -0.5
                    )
