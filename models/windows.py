"""Windows of patches on the grid of an encoder."""

from __future__ import annotations

import torch
from torch import Tensor


def windows(side: int, size: int) -> Tensor:
    """Patches in each window: int64 ``[(side - size + 1)^2, size^2]``.

    Patches are numbered by rows, ``row * side + column``, without the class token. Windows are ordered by
    their upper left patch, by rows; every position on the grid is taken (stride 1).
    """
    if not 1 <= size <= side:
        raise ValueError(f"a window of {size}x{size} patches does not fit a grid of {side}x{side}")
    patches = torch.arange(side * side).reshape(side, side)
    return patches.unfold(0, size, 1).unfold(1, size, 1).reshape(-1, size * size).clone()
