"""WinCLIP on the stored features of a frozen CLIP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gad.harness.adapter import FeatureAdapter, Features, Scored, called_too_early
from gad.models.text_prior import text_prior
from gad.models.winclip.score import SCALES, combined, grid_side, image_score, pixel_map, text_map

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
        """Parts: ``text_score`` and ``patch_score`` (the association map's maximum), whose mean is the score.

        The map, where anybody will look at it: text and association maps in equal parts, in 0..1; with no
        prompts the text map alone. The score knows nothing of the text map.
        """
        if self.shots is None:
            raise called_too_early(self)
        assert queries.text is not None
        normal, anomalous = tensor(queries.text)
        prior = text_prior(tensor(queries.class_tokens), normal, anomalous)
        text = self._text_map(queries, prior) if self.context.maps else None
        if not self.shots:  # zero-shot (sections 4.1, 4.2)
            return Scored(prior.numpy(), in_rows(text), parts={"text_score": prior.numpy()})
        small, medium = (tensor(queries.nearest_windows[size]) for size in SCALES)
        (patches,) = queries.nearest.values()
        association = combined(small, medium, tensor(patches))
        return Scored(
            scores=image_score(prior, association).numpy(),
            parts={"text_score": prior.numpy(), "patch_score": association.amax(dim=-1).numpy()},
            maps=in_rows(None if text is None else pixel_map(text, association)),
        )

    def _text_map(self, queries: Features, prior: torch.Tensor) -> torch.Tensor:
        """``[n, side^2]``; ``prior``: the images' own ``[n]``."""
        small, medium = (tensor(queries.window_priors[size]) for size in SCALES)
        return text_map(small, medium, prior, side=grid_side(small.shape[1]) + SCALES[0] - 1)


def in_rows(patches: torch.Tensor | None) -> NDArray[np.floating] | None:
    """Maps ``[n, side^2]`` as ``[n, side, side]``."""
    if patches is None:
        return None
    side = grid_side(patches.shape[1])
    return patches.unflatten(1, (side, side)).numpy()


def tensor(rows: NDArray[np.floating]) -> torch.Tensor:
    """A copy: what an adapter gets is a read-only view of memory that belongs to others."""
    return torch.from_numpy(rows.copy())
