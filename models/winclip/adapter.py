"""WinCLIP on the stored features of a frozen CLIP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gad.harness.adapter import FeatureAdapter, Features, called_too_early
from gad.models.text_prior import text_prior
from gad.models.winclip.score import SCALES, association_map, image_score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class WinCLIP(FeatureAdapter):
    """Score: ``(text prior + max of association map) / 2``, in 0..1."""

    references: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None

    def prepare(self, prompts: Features) -> None:
        self.references = compared(prompts)

    def score(self, queries: Features) -> NDArray[np.float32]:
        if self.references is None:
            raise called_too_early(self)
        assert queries.text is not None
        normal, anomalous = tensor(queries.text)
        prior = text_prior(tensor(queries.class_tokens), normal, anomalous)
        found: NDArray[np.float32] = image_score(
            prior, association_map(*compared(queries), self.references)
        ).numpy()
        return found


def compared(features: Features) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What is compared with the prompts: windows at both scales, and the last block's patch tokens."""
    (patches,) = features.tokens.values()
    small, medium = (tensor(features.windows[size]) for size in SCALES)
    return small, medium, tensor(patches)


def tensor(rows: NDArray[np.floating]) -> torch.Tensor:
    """A copy: what an adapter gets is a read-only view of memory that belongs to others."""
    return torch.from_numpy(rows.copy())
