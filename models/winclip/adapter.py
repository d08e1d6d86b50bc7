"""WinCLIP on the stored features of a frozen CLIP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gad.harness.adapter import FeatureAdapter, Features, Scored, called_too_early
from gad.models.text_prior import text_prior
from gad.models.winclip.score import SCALES, combined, grid_side, image_score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class WinCLIP(FeatureAdapter):
    """Score: ``(text prior + max of association map) / 2``, in 0..1; with no prompts the text prior alone."""

    shots: int | None = None

    def prepare(self, prompts: Features) -> None:
        """Distances to the prompts come with the queries: there is nothing to remember of them."""
        self.shots = len(prompts)

    def score(self, queries: Features) -> Scored:
        """The map is the association map, in 0..1. Parts: ``text_score`` and ``patch_score`` (the map's
        maximum), whose mean is the score."""
        if self.shots is None:
            raise called_too_early(self)
        assert queries.text is not None
        normal, anomalous = tensor(queries.text)
        prior = text_prior(tensor(queries.class_tokens), normal, anomalous)
        if not self.shots:  # zero-shot (section 4.1)
            return Scored(scores=prior.numpy(), parts={"text_score": prior.numpy()})
        small, medium = (tensor(queries.nearest_windows[size]) for size in SCALES)
        (patches,) = queries.nearest.values()
        association = combined(small, medium, tensor(patches))
        side = grid_side(association.shape[1])
        return Scored(
            scores=image_score(prior, association).numpy(),
            parts={"text_score": prior.numpy(), "patch_score": association.amax(dim=-1).numpy()},
            maps=association.unflatten(1, (side, side)).numpy(),
        )


def tensor(rows: NDArray[np.floating]) -> torch.Tensor:
    """A copy: what an adapter gets is a read-only view of memory that belongs to others."""
    return torch.from_numpy(rows.copy())
