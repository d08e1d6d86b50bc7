"""RegAD's network: the first stages of a ResNet, each followed by a spatial transformer, and a Siamese head.

The paper's: three stages and three spatial transformers; an encoder of three and a predictor of two convolutions
that keep the positions apart, after SimSiam (its feature registration network). The authors': the layers inside
the transformers, 1x1 convolutions without biases in the head, and rotation and scale as what is estimated (their
best, and their code's default).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGES = 3
HIDDEN = 1024  # units of a transformer's hidden layer


class SpatialTransformer(nn.Module):
    """Estimates from a map ``[n, C, side, side]`` how it lies, and resamples it so that all lie alike.

    ``(x_s, y_s) = A (x_t, y_t, 1)``: the value at (x_t, y_t) is taken from (x_s, y_s), both in -1..1, with

        A = [ s_x cos(a)    -sin(a)    0 ]
            [     sin(a)  s_y cos(a)   0 ]

    for the estimated angle a and scales s_x, s_y, which are 0, 1, 1 before training.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        last = nn.Linear(HIDDEN, 3)
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(torch.tensor([0.0, 1.0, 1.0]))
        self.locate = nn.Sequential(
            *_halving(channels, 64),
            *_halving(64, 16),
            nn.Flatten(),
            nn.Linear(16 * halved(halved(side)) ** 2, HIDDEN),
            nn.ReLU(),
            last,
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The resampled map, and A: ``[n, 2, 3]``."""
        angle, across, down = self.locate(x).unbind(dim=1)
        zero = torch.zeros_like(angle)
        rows = (across * angle.cos(), -angle.sin(), zero, angle.sin(), down * angle.cos(), zero)
        affine = torch.stack(rows, dim=1).unflatten(1, (2, 3))
        return resampled(x, affine), affine


class Registered(nn.Module):
    """Stem and stages of a ResNet with a transformer after each. Images are float ``[n, 3, size, size]`` in 0..1.

    ``resnet``: a network of timm, whose modules are taken over. ``mean`` and ``std`` are its preprocessing's.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, resnet: nn.Module, size: int, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        names = ("conv1", "bn1", "act1", "maxpool")
        self.stem = nn.Sequential(*(resnet.get_submodule(name) for name in names))
        self.stages = nn.ModuleList(resnet.get_submodule(f"layer{n + 1}") for n in range(STAGES))
        sides, widths = sides_of(size), [_width(stage) for stage in self.stages]
        self.transformers = nn.ModuleList(map(SpatialTransformer, widths, sides))
        self.width = widths[-1]
        self.register_buffer("mean", mean.view(1, 3, 1, 1))
        self.register_buffer("std", std.view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """The last registered features ``[n, C, side, side]``."""
        return self._walk(images)[0][-1]

    def aligned(self, images: Tensor) -> list[Tensor]:
        """Registered features of all stages where they are in the image: the transformers' way, taken back.

        What passed through A_1 to A_l is resampled with the inverse of A_l, then A_(l-1), down to A_1.
        """
        features, affines = self._walk(images)
        found = []
        for stage, each in enumerate(features):
            for affine in reversed(affines[: stage + 1]):
                each = resampled(each, inverse(affine))
            found.append(each)
        return found

    def _walk(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        x = self.stem((images - self.mean) / self.std)
        features, affines = [], []
        for stage, transformer in zip(self.stages, self.transformers, strict=True):
            x, affine = transformer(stage(x))
            features.append(x)
            affines.append(affine)
        return features, affines


class Head(nn.Module):
    """What the registration loss is taken of: ``z = E(f)`` and ``p = P(z)``, positions kept apart."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*_pointwise(width), *_pointwise(width), _plain(width))
        self.predictor = nn.Sequential(*_pointwise(width), _plain(width))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        encoded = self.encoder(features)
        return encoded, self.predictor(encoded)


def resampled(x: Tensor, affine: Tensor) -> Tensor:
    """Values of ``x [n, C, h, w]`` where ``affine [n, 2, 3]`` points: bilinear, mirrored beyond the border."""
    grid = functional.affine_grid(affine, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def inverse(affine: Tensor) -> Tensor:
    """The way back of transformations without a shift: ``[n, 2, 3] -> [n, 2, 3]``."""
    return functional.pad(torch.linalg.inv(affine[:, :, :2]), (0, 1))


def sides_of(size: int) -> list[int]:
    """Sides of the stages' maps for an image of ``size`` pixels: a quarter, an eighth, a sixteenth."""
    sides = [halved(halved(size))]
    while len(sides) < STAGES:
        sides.append(halved(sides[-1]))
    return sides


def halved(side: int) -> int:
    """What a stride of 2 leaves of a side."""
    return (side + 1) // 2


def _width(stage: nn.Module) -> int:
    """Channels that a stage gives."""
    return [m.out_channels for m in stage.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)][
        -1
    ]


def _halving(channels: int, wider: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, wider, 3, padding=1, bias=False),
        nn.BatchNorm2d(wider),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]


def _plain(width: int) -> nn.Module:
    return nn.Conv2d(width, width, 1, bias=False)


def _pointwise(width: int) -> list[nn.Module]:
    return [_plain(width), nn.BatchNorm2d(width), nn.ReLU()]
