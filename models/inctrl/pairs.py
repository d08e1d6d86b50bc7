"""Distances between the patches of two auxiliary images, computed once however often training meets the pair.

A step compares every query with K prompts of its category, and a small auxiliary set has few such pairs:
after some epochs all of them have been seen. Only for the paper's difference, which learns nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from gad.models.nearest_distance import halved

Place = Sequence[int]  # (layer, row) of some patch tokens

MOST_BYTES = 256_000_000  # beyond it pairs are computed each time they are met


class Pairs:
    """``layers``: per layer patch tokens ``[N, P, C]`` of any float type; computed in float32."""

    def __init__(self, layers: tuple[Tensor, ...]) -> None:
        self.layers = layers
        self.held: dict[tuple[int, ...], Tensor] = {}
        self.most = MOST_BYTES // (4 * layers[0].shape[1])

    def map(
        self, own: Sequence[Place], references: Sequence[Sequence[Place]], device: torch.device
    ) -> Tensor:
        """The patch residual M, float32 ``[P]`` in 0..1: per place the nearest of its references', then the mean."""
        nearest = [
            torch.stack([self._largest(place, other, device) for other in others]).amax(dim=0)
            for place, others in zip(own, references, strict=True)
        ]
        return halved(torch.stack(nearest)).mean(dim=0)

    def _largest(self, own: Place, other: Place, device: torch.device) -> Tensor:
        """The largest cosine of every own patch with the other image's: float32 ``[P]``."""
        key = (*own, *other)
        found = self.held.get(key)
        if found is None:
            mine, others = (functional.normalize(self._tokens(p, device), dim=-1) for p in (own, other))
            found = (mine @ others.T).amax(dim=-1)
            if len(self.held) < self.most:
                self.held[key] = found
        return found

    def _tokens(self, place: Place, device: torch.device) -> Tensor:
        layer, row = place
        return self.layers[layer][row].to(device).float()
