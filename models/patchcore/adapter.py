"""PatchCore on the feature maps or patch tokens of a frozen encoder."""

from __future__ import annotations

import torch

from gad.harness.adapter import FeatureAdapter, Features, Scored, called_too_early
from gad.models.patchcore.score import Bank, local_features, memory_bank, score, token_map


class PatchCore(FeatureAdapter):
    """Score: the largest distance of a patch to the bank, reweighted (equation 7); unbounded."""

    bank: Bank | None = None

    def prepare(self, prompts: Features) -> None:
        self.bank = memory_bank(local(prompts), self.context.seed)

    def score(self, queries: Features) -> Scored:
        """The map holds each patch's distance to the bank."""
        if self.bank is None:
            raise called_too_early(self)
        scores, maps = score(local(queries), self.bank)
        return Scored(scores=scores.numpy(), maps=maps.numpy())


def local(features: Features) -> torch.Tensor:
    """Local features ``[n, side, side, sum of widths]`` of the tokens, layers in ascending order.

    ``side`` is the finest layer's, which in a CNN is the first's.
    """
    # A copy: the tokens are a read-only view of memory that belongs to others.
    layers = [torch.from_numpy(features.tokens[layer].copy()) for layer in sorted(features.tokens)]
    return local_features([token_map(tokens) for tokens in layers])
