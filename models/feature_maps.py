"""Maps of features on a grid of positions, and what detectors do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gad.harness.adapter import Features

SIGMA = 4.0  # pixels of the image that the encoder saw: SPADE, PaDiM and AnomalyDINO agree on it


def token_map(tokens: Tensor) -> Tensor:
    """Stored positions as a map: ``[n, side^2, C] -> [n, C, side, side]``, by rows. Encoders give square grids."""
    side = round(tokens.shape[1] ** 0.5)
    if side * side != tokens.shape[1]:
        raise ValueError(f"{tokens.shape[1]} patch tokens are not a square grid")
    return tokens.transpose(1, 2).unflatten(2, (side, side))


def layer_maps(features: Features) -> list[Tensor]:
    """Every layer's map ``[n, C, side, side]``, float32, layers in ascending order. Copies."""
    return [
        token_map(torch.from_numpy(features.tokens[layer].astype(np.float32)))
        for layer in sorted(features.tokens)
    ]


def side_of(maps: list[Tensor]) -> int:
    """The side of the finest map: in a CNN the first layer's."""
    return max(int(each.shape[-1]) for each in maps)


def smoothed(distances: Tensor, size: int) -> NDArray[np.float32]:
    """Maps float ``[n, side, side]`` at the size of the image: ``[n, size, size]``.

    Upsampled bilinearly (pixel centres aligned) and smoothed with a Gaussian of sigma 4 pixels, which is cut
    at four sigma and mirrored at the borders (d c b a | a b c d). Image by image.
    """
    if size < 1:
        raise ValueError("these features do not say what size of image they come from")
    out = np.empty((len(distances), size, size), np.float32)
    for place, each in enumerate(distances):
        large = functional.interpolate(each[None, None].float(), size=(size, size), mode="bilinear")
        gaussian_filter(large[0, 0].numpy(), SIGMA, output=out[place], mode="reflect", truncate=4.0)
    return out
