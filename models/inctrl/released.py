"""Where the released training differs from the paper: docs/decisions/0006-inctrl-as-released.md.

Facts about its code, not its code. It keeps a batch's tokens layer by layer and prompt by prompt, and
reads them as image by image without a transpose. At batch 1, which is how it scores, both are the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor


def patch_places(queries: Tensor, prompts: Tensor, layers: int, mixed: bool) -> tuple[Tensor, Tensor]:
    """Which patch tokens each query of a batch is compared with, as (layer, row) pairs.

    ``queries``: rows ``[b]``; ``prompts``: rows ``[b, K]``. Returns int64 ``[b, layers, 2]`` and
    ``[b, layers, K, 2]``. ``mixed`` reads the stacks ``[layers, b]`` and ``[layers, K * b]`` (prompt-major)
    as if images came first: queries then get layers and images of each other, and so do their prompts.
    """
    batch, shots = prompts.shape
    own = _labelled(queries.expand(layers, batch))
    others = _labelled(prompts.T.reshape(-1).expand(layers, shots * batch))
    if mixed:
        return own.reshape(batch, layers, 2), others.reshape(batch, layers, shots, 2)
    return own.transpose(0, 1), others.reshape(layers, shots, batch, 2).permute(2, 0, 1, 3)


def _labelled(rows: Tensor) -> Tensor:
    """``[layers, n]`` rows -> ``[layers, n, 2]`` of (layer, row)."""
    layers = torch.arange(len(rows))[:, None].expand_as(rows)
    return torch.stack([layers, rows], dim=-1)


def prompt_rows(prompts: Tensor, mixed: bool) -> Tensor:
    """The rows ``[b, K]`` whose class tokens each query is given; ``mixed`` reads a prompt-major list wrongly."""
    return prompts.T.reshape(prompts.shape) if mixed else prompts


def listed(ids: Sequence[str], splits: Sequence[int], labels: Sequence[int]) -> list[int]:
    """The rows that the released training list has: all but normals of the train split (0) in files named .JPG.

    All of VisA's files are: what it has left there are the normals of the test split.
    """
    return [
        row
        for row, (name, split, label) in enumerate(zip(ids, splits, labels, strict=True))
        if split or label or not re.search(r"\.JPG(#|$)", name)
    ]
