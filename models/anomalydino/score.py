"""AnomalyDINO (arXiv 2405.14529, section 3): the mean of the largest patch distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def cosine_distances(nearest: NDArray[np.float32]) -> NDArray[np.float64]:
    """``1 - cos`` of each patch to the nearest prompt patch, in 0..2, from half of it."""
    return 2 * nearest.astype(np.float64)


def top_mean(distances: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Mean of the largest ``share`` of each row, rounded down, but one at least: ``[n, P] -> [n]``."""
    count = max(1, int(distances.shape[1] * share))
    largest: NDArray[np.float64] = np.sort(distances, axis=1)[:, -count:]
    return np.array([row.mean() for row in largest])
