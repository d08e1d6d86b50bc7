"""AnomalyDINO on the shared nearest distances of a frozen ViT."""

from __future__ import annotations

import torch

from gad.harness.adapter import FeatureAdapter, Features, Scored, called_too_early
from gad.models.anomalydino.score import cosine_distances, top_mean
from gad.models.feature_maps import smoothed, token_map


class AnomalyDino(FeatureAdapter):
    """Score: mean of the largest 1 % of the patches' cosine distances, in 0..2."""

    shots = 0

    def prepare(self, prompts: Features) -> None:
        """Distances to the prompts come with the queries: there is nothing to remember of them."""
        self.shots = len(prompts)

    def score(self, queries: Features) -> Scored:
        if not self.shots:
            raise called_too_early(self)
        (nearest,) = queries.nearest.values()
        distances = cosine_distances(nearest)
        maps = None
        if self.context.maps:
            maps = smoothed(token_map(torch.from_numpy(distances)[..., None])[:, 0], queries.size)
        return Scored(scores=top_mean(distances, self.options.top), maps=maps)
