"""Pictures of surfaces: pose, colours, light and noise, for batches of pictures at a time."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from gad.models.backbones.tiny.shapes import Pick, grid


def sample(pictures: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Pictures seen through other coordinates (pixels from the middle), mirrored beyond their edges."""
    half = pictures.shape[-1] / 2
    where = torch.stack([u / half, v / half], -1)
    return F.grid_sample(pictures, where, "bilinear", "reflection", align_corners=False)


def photograph(pick: Pick, canvases: Tensor, side: int, turns: Tensor) -> Tensor:
    """One crop ``[n, 3, side, side]`` of each canvas in a random pose, turned by up to ``turns`` radians."""
    n, whole = len(canvases), canvases.shape[-1]
    x, y = grid(side)
    angle, scale = turns[:, None, None] * pick.between(n, -1, 1), pick.between(n, 0.93, 1.07)
    reach = (whole - side) / 2
    u = (x * angle.cos() - y * angle.sin()) * scale + pick.between(n, -reach, reach)
    v = (x * angle.sin() + y * angle.cos()) * scale + pick.between(n, -reach, reach)
    return sample(canvases, u, v)


def recoloured(pick: Pick, pictures: Tensor) -> Tensor:
    """Groups ``[groups, n, 3, side, side]`` in new colours and another contrast, the same for all of a group.

    From full contrast to a nearly flat surface, on which flaws are easy to see.
    """
    groups = len(pictures)
    middle = pictures.mean((1, 3, 4), keepdim=True)
    mix = torch.eye(3) + 0.25 * torch.randn((groups, 3, 3), generator=pick.generator)
    strength = pick.between(groups, 0.15, 1.1)
    change = torch.einsum("gij,gnjhw->gnihw", strength * mix, pictures - middle)
    moved = middle + 0.2 * (torch.rand((groups, 1, 3, 1, 1), generator=pick.generator) - 0.5)
    return (moved.clamp(0.1, 0.9) + change).clamp(0, 1)


def light(pick: Pick, pictures: Tensor) -> Tensor:
    """Uneven light, exposure, white balance and sensor noise."""
    n, side = len(pictures), pictures.shape[-1]
    x, y = grid(side)
    tilt = pick.between(n, -0.12, 0.12) * x + pick.between(n, -0.12, 0.12) * y
    gain = pick.between(n, 0.88, 1.12) * (1 + tilt * 2 / side)
    balance = 1 + 0.05 * (torch.rand((n, 3, 1, 1), generator=pick.generator) - 0.5)
    grain = torch.randn(pictures.shape, generator=pick.generator) * pick.between(n, 0.002, 0.016)[:, None]
    return (pictures * gain[:, None] * balance + grain).clamp(0, 1)
