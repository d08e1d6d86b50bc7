"""Any image model of anomalib: fitted on the prompts by its own training, asked for raw scores and maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gad.harness.adapter import ImageAdapter, Scored, called_too_early
from gad.harness.errors import ModelError
from gad.models.anomalib import library
from gad.models.anomalib.fitting import fit

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Bridge(ImageAdapter):
    """Score: the model's own, before anomalib normalises or clamps it; its highest pixel where it gives a map alone.

    Images are asked about one by one, so that a score does not depend on its batch.
    """

    model: Any = None

    def prepare(self, prompts: NDArray[np.uint8]) -> None:
        torch.manual_seed(self.context.seed)
        self.model, self.whole = library.build(self.options)
        fit(self.model, pixels(prompts), self.options.max_epochs, self.options.MODEL)
        self.parameters = sum(each.numel() for each in self.model.parameters())

    @torch.inference_mode()
    def score(self, queries: NDArray[np.uint8]) -> Scored:
        if self.model is None:
            raise called_too_early(self)
        answers = [self._answer(pixels(query[None])) for query in queries]
        scores = np.array([score for score, _ in answers], np.float64)
        maps = [found for _, found in answers if found is not None]
        if not self.context.maps or len(maps) < len(answers):
            return Scored(scores=scores)
        return Scored(scores=scores, maps=np.stack(maps))

    def _answer(self, image: torch.Tensor) -> tuple[float, NDArray[np.float32] | None]:
        """The score of one image, and its map ``[h, w]`` if it has one that covers the image."""
        try:
            out = self.model(image)
        except Exception as error:  # the model's own code
            raise ModelError(
                f"anomalib:{self.options.MODEL} was fitted and cannot score: {type(error).__name__}: {error}",
                fix="It may want more prompts, or another side (option side).",
            ) from error
        score, found = getattr(out, "pred_score", None), getattr(out, "anomaly_map", None)
        if score is None and found is None:
            raise ModelError(
                f"anomalib:{self.options.MODEL} gives neither a score nor a map, but {type(out).__name__}",
                fix="Use another model.",
            )
        value: torch.Tensor = found.amax() if score is None else score  # type: ignore[union-attr]
        if value.numel() != 1:
            raise ModelError(f"anomalib:{self.options.MODEL} gives {value.numel()} scores for one image")
        if found is None or not self.whole:
            return float(value), None
        return float(value), found.float().reshape(found.shape[-2:]).cpu().numpy()


def pixels(images: NDArray[np.uint8]) -> torch.Tensor:
    """uint8 ``[n, side, side, 3]`` as anomalib reads images: float32 ``[n, 3, side, side]`` in 0..1. A copy."""
    return torch.from_numpy(images.astype(np.float32) / 255).permute(0, 3, 1, 2).contiguous()
