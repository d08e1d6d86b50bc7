"""The augmented support set: 22 views of every prompt, the original among them.

The paper's kinds (rotation, translation, flipping, graying), the authors' amounts. All views lie where they lie: the
distribution at a position is that of whatever may normally be there.
"""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor

from gad.models.regad.network import resampled

ANGLES = tuple(math.pi * step / 16 for step in (-4, -3, -2, -1, 1, 2, 3, 4))
# In halves of the side, along the diagonals.
SHIFTS = tuple((right * far, down * far) for far in (0.1, 0.2) for right, down in product((-1, 1), repeat=2))
LUMINANCE = (0.299, 0.587, 0.114)
VIEWS = 1 + len(ANGLES) + len(SHIFTS) + 1 + 1 + 3


def augmented(images: Tensor) -> Tensor:
    """Views of float ``[K, 3, size, size]`` in 0..1: ``[22 K, 3, size, size]``, kind by kind, the originals first.

    8 rotations up to 45 degrees; 8 shifts along the diagonals by a twentieth or a tenth of the side; flipped left to
    right; grey; turned by 90, 180 and 270 degrees. Beyond the border is the mirrored image.
    """
    turned = [_moved(images, math.cos(a), math.sin(a), 0.0, 0.0) for a in ANGLES]
    shifted = [_moved(images, 1.0, 0.0, x, y) for x, y in SHIFTS]
    weights = torch.tensor(LUMINANCE).view(1, 3, 1, 1)
    grey = (images * weights).sum(dim=1, keepdim=True).expand_as(images)
    quarters = [torch.rot90(images, times, dims=(2, 3)) for times in (1, 2, 3)]
    return torch.cat([images, *turned, *shifted, images.flip(3), grey, *quarters])


def _moved(images: Tensor, cosine: float, sine: float, right: float, down: float) -> Tensor:
    affine = torch.tensor([[cosine, -sine, right], [sine, cosine, down]])
    return resampled(images, affine.expand(len(images), 2, 3))
