"""WinCLIP's scores and maps over cached embeddings (arXiv 2303.14814, "WinCLIP+" where there are prompts).

The paper's (sections 4.2, 4.3): windows of 2x2 and 3x3 patches at stride 1; a window's embedding is the
class output of the encoder run on the class token and that window's patches alone; association by half
the cosine distance to the nearest reference; three association maps (two window scales and the patch
tokens before the last norm) averaged; image score ``(text + max of map) / 2``; text scores of windows
spread over patches by harmonic mean, over windows and then over scales with the whole image as one more.

Ours, where the paper is silent: association values of windows are spread over patches by the arithmetic
mean (the harmonic mean stays with the text map; with the harmonic mean a patch in one reference-like
window would be cleared whatever the others say); the map for pixels is the mean of text and association
maps; maps are kept at patch resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gad.models.nearest_distance import nearest_distance
from gad.models.windows import windows as windows

SCALES = (2, 3)


def spread_sum(values: Tensor, side: int, size: int) -> Tensor:
    """Every patch's sum over the windows that hold it: ``[n, windows] -> [n, side^2]``."""
    across = side - size + 1
    grid = values.reshape(len(values), across, across)
    total = values.new_zeros(len(values), side, side)
    for row in range(size):
        for column in range(size):
            total[:, row : row + across, column : column + across] += grid
    return total.flatten(1)


def spread_mean(values: Tensor, side: int, size: int) -> Tensor:
    """Every patch's mean over the windows that hold it: ``[n, windows] -> [n, side^2]``."""
    return spread_sum(values, side, size) / spread_sum(torch.ones_like(values[:1]), side, size)


def spread_harmonic(values: Tensor, side: int, size: int) -> Tensor:
    """Every patch's harmonic mean over the windows that hold it (section 4.2): for text scores.

    ``[n, windows]`` of values >= 0 ``-> [n, side^2]``; 0 where any window is 0.
    """
    return spread_sum(torch.ones_like(values[:1]), side, size) / spread_sum(1 / values, side, size)


def association_map(
    small: Tensor, medium: Tensor, patches: Tensor, references: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Mean of the three association maps (section 4.3): float32 ``[n, side^2]`` in 0..1.

    ``small``, ``medium``: window embeddings of n queries at scales 2 and 3, ``[n, windows, D]``;
    ``patches``: their patch tokens before the last norm, ``[n, side^2, C]``; ``references``: the same
    three of the K prompts, ``[K, ..., ...]``. Any float type and length.
    """
    return combined(
        nearest_distance(small, references[0]),
        nearest_distance(medium, references[1]),
        nearest_distance(patches, references[2]),
    )


def combined(small: Tensor, medium: Tensor, patches: Tensor) -> Tensor:
    """The same from nearest distances: ``[n, windows]`` at scales 2 and 3 and ``[n, side^2]``, in 0..1."""
    side = grid_side(patches.shape[-1])
    maps = (spread_mean(small, side, SCALES[0]), spread_mean(medium, side, SCALES[1]), patches)
    return torch.stack(maps).mean(dim=0)


def image_score(text_prior: Tensor, association: Tensor) -> Tensor:
    """``(text + max of map) / 2`` (section 4.3): ``[n]`` and ``[n, side^2] -> [n]`` in 0..1.

    ``text_prior``: the image's own, of its class token (:func:`gad.models.text_prior.text_prior`).
    """
    return (text_prior + association.amax(dim=-1)) / 2


def text_map(small: Tensor, medium: Tensor, image: Tensor, side: int) -> Tensor:
    """The zero-shot map (section 4.2), for pixels only: ``[n, side^2]`` in 0..1.

    ``small``, ``medium``: text priors of windows at scales 2 and 3, ``[n, windows]``; ``image``: ``[n]``.
    Harmonic mean over windows, then over the two scales and the image.
    """
    scales = (
        spread_harmonic(small, side, SCALES[0]),
        spread_harmonic(medium, side, SCALES[1]),
        image[:, None].expand(-1, side * side),
    )
    return 1 / (1 / torch.stack(scales)).mean(dim=0)


def pixel_map(text: Tensor, association: Tensor) -> Tensor:
    """Text and association maps in equal parts: ``[n, side^2]`` twice ``-> [n, side^2]`` in 0..1."""
    return (text + association) / 2


def grid_side(patches: int) -> int:
    """The side of a square grid of patches; other grids are an error."""
    side = round(patches**0.5)
    if side * side != patches:
        raise ValueError(f"{patches} patches are not a square grid")
    return side
