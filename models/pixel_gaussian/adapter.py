"""Mahalanobis distance to a Gaussian of the prompts' pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gad.harness.adapter import ImageAdapter, called_too_early

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PixelGaussian(ImageAdapter):
    """Score: sqrt(d' C^-1 d / D) with C = S + noise^2 I, S the prompts' covariance (1/K), D pixels.

    With K prompts S has rank K - 1, so C^-1 comes from the K singular values of the centred prompts:
    along each of their directions the variance is larger, everywhere else it is ``noise``^2.
    """

    mean: NDArray[np.float64] | None = None

    def prepare(self, prompts: NDArray[np.uint8]) -> None:
        pixels = flat(prompts)
        self.mean = pixels.mean(axis=0)
        _, singular, self.directions = np.linalg.svd(pixels - self.mean, full_matrices=False)
        variance = singular**2 / len(pixels)
        noise = self.options.noise**2
        # d' C^-1 d = (|d|^2 - sum_i v_i / (v_i + noise) * (d . direction_i)^2) / noise
        self.shrink = variance / (variance + noise)

    def score(self, queries: NDArray[np.uint8]) -> NDArray[np.float64]:
        if self.mean is None:
            raise called_too_early(self)
        difference = flat(queries) - self.mean
        explained = np.stack([(difference * direction).sum(axis=1) for direction in self.directions], axis=1)
        squared = (difference**2).sum(axis=1) - (explained**2 * self.shrink).sum(axis=1)
        return np.sqrt(squared / difference.shape[1]) / self.options.noise


def flat(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """uint8 ``[n, size, size, 3]`` to float64 ``[n, size * size * 3]`` in 0..1."""
    return images.reshape(len(images), -1).astype(np.float64) / 255.0
