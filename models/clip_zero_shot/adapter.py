"""CLIP zero-shot: the text prior alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gad.harness.adapter import FeatureAdapter, Features, called_too_early
from gad.models.text_prior import text_prior

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ClipZeroShot(FeatureAdapter):
    """Score: ``softmax(100 * cos)`` of the class token at the anomalous text, in 0..1."""

    prepared = False

    def prepare(self, prompts: Features) -> None:
        """Prompts, of which there may be none, are not looked at."""
        self.prepared = True

    def score(self, queries: Features) -> NDArray[np.float32]:
        if not self.prepared:
            raise called_too_early(self)
        assert queries.text is not None
        normal, anomalous = torch.from_numpy(queries.text.copy())
        # Image by image: the last bit of a product can depend on how many rows it has.
        tokens = torch.from_numpy(queries.class_tokens.copy())
        scores: NDArray[np.float32] = torch.cat(
            [text_prior(t[None], normal, anomalous) for t in tokens]
        ).numpy()
        return scores
