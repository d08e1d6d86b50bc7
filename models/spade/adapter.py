"""SPADE on the stored features of a frozen encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gad.harness.adapter import FeatureAdapter, Features, Scored, called_too_early
from gad.models.feature_maps import layer_maps, side_of, smoothed
from gad.models.spade.score import correspondence, nearest_prompts, pyramid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Spade(FeatureAdapter):
    """Score: mean Euclidean distance to the nearest prompts in pooled features; unbounded.

    The map costs a thousand times the score and changes nothing about it: only where somebody looks at it.
    """

    prompts: torch.Tensor | None = None
    galleries: torch.Tensor | None = None

    def prepare(self, prompts: Features) -> None:
        self.prompts = torch.from_numpy(prompts.class_tokens.copy())
        self.galleries = pyramid(layer_maps(prompts)) if self.context.maps else None

    def score(self, queries: Features) -> Scored:
        if self.prompts is None:
            raise called_too_early(self)
        scores, shown = [], []
        for query in torch.from_numpy(queries.class_tokens.copy()):
            distances, index = nearest_prompts(query, self.prompts, self.options.neighbours)
            scores.append(distances.mean())
            shown.append(index)
        maps = None if self.galleries is None else self._maps(queries, self.galleries, shown)
        return Scored(scores=torch.stack(scores).numpy(), maps=maps)

    def _maps(
        self, queries: Features, galleries: torch.Tensor, shown: list[torch.Tensor]
    ) -> NDArray[np.float32]:
        """Maps ``[n, size, size]`` against the positions of each query's nearest prompts."""
        layers = layer_maps(queries)
        side = side_of(layers)
        pairs = zip(pyramid(layers), shown, strict=True)
        maps = [correspondence(query, galleries[index].flatten(0, 1)) for query, index in pairs]
        return smoothed(torch.stack(maps).unflatten(1, (side, side)), queries.size)
