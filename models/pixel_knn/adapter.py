"""Distance to the nearest prompt in resized pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gad.harness.adapter import ImageAdapter, called_too_early

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PixelKNN(ImageAdapter):
    """Score: root mean squared difference (0..1) of pixels to the prompt that differs least."""

    prompts: NDArray[np.float64] | None = None

    def prepare(self, prompts: NDArray[np.uint8]) -> None:
        self.prompts = flat(prompts)

    def score(self, queries: NDArray[np.uint8]) -> NDArray[np.float64]:
        if self.prompts is None:
            raise called_too_early(self)
        pixels = flat(queries)
        nearest = np.full(len(pixels), np.inf)
        # One prompt at a time: the differences are exact, and memory does not grow with K.
        for prompt in self.prompts:
            np.minimum(nearest, np.mean((pixels - prompt) ** 2, axis=1), out=nearest)
        return np.sqrt(nearest)


def flat(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """uint8 ``[n, size, size, 3]`` to float64 ``[n, size * size * 3]`` in 0..1."""
    return images.reshape(len(images), -1).astype(np.float64) / 255.0
