"""PaDiM on the feature maps of a frozen encoder."""

from __future__ import annotations

import torch

from gad.harness.adapter import FeatureAdapter, Features, Scored, called_too_early
from gad.harness.errors import ModelError
from gad.models.feature_maps import layer_maps, side_of, smoothed
from gad.models.padim.score import Gaussians, draw, embedded, fit, how_many, mahalanobis


class Padim(FeatureAdapter):
    """Score: the maximum of the smoothed map of Mahalanobis distances; unbounded. The seed draws channels."""

    fitted: Gaussians | None = None

    def prepare(self, prompts: Features) -> None:
        maps = layer_maps(prompts)
        available = sum(each.shape[1] for each in maps)
        try:
            channels = how_many(self.options.channels, available, self.options.backbone)
        except ValueError as error:
            raise ModelError(str(error), fix="Ask for fewer, or for 0: the paper's number.") from error
        self.chosen = draw(channels, available, self.context.seed)
        self.fitted = fit(embedded(maps, self.chosen), self.options.epsilon)

    def score(self, queries: Features) -> Scored:
        if self.fitted is None:
            raise called_too_early(self)
        maps = layer_maps(queries)
        side = side_of(maps)
        distances = [mahalanobis(query, self.fitted) for query in embedded(maps, self.chosen)]
        found = smoothed(torch.stack(distances).unflatten(1, (side, side)), queries.size)
        return Scored(scores=found.max(axis=(1, 2)), maps=found)
