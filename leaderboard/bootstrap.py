"""Image-stratified bootstrap of AUROC. Pure functions over arrays.

Normal and anomalous images are drawn apart, each with replacement and as many as there are, so that every
draw has the label ratio of the data. Detectors that scored the same images share the draws, which makes
differences paired: an image that is hard for both moves both.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK = 2_000_000  # numbers held at once
DRAWS = 1000


def auroc_draws(labels: NDArray[np.int8], scores: Floats, draws: int = DRAWS, seed: int = 0) -> Floats:
    """AUROC of ``draws`` resamples, ties counting half: float ``[methods, draws]`` in 0..1.

    ``labels`` int ``[n]`` of 0 and 1, ``scores`` float ``[methods, n]``, higher is more anomalous.
    Raises ValueError when a class is absent.

    >>> labels = np.array([0, 0, 1, 1], dtype=np.int8)
    >>> auroc_draws(labels, np.array([[0.1, 0.2, 0.8, 0.9]]), draws=3).tolist()
    [[1.0, 1.0, 1.0]]
    """
    normal, anomalous = np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)
    if not len(normal) or not len(anomalous):
        raise ValueError("AUROC needs normal and anomalous images")
    levels = [np.unique(row, return_inverse=True)[1] for row in np.atleast_2d(scores)]
    random = np.random.default_rng(seed)
    out = np.empty((len(levels), draws))
    step = max(1, BLOCK // len(labels))
    for start in range(0, draws, step):
        stop = min(draws, start + step)
        of_normal = normal[random.integers(len(normal), size=(stop - start, len(normal)), dtype=np.int32)]
        of_anomalous = anomalous[
            random.integers(len(anomalous), size=(stop - start, len(anomalous)), dtype=np.int32)
        ]
        for method, level in enumerate(levels):
            out[method, start:stop] = _areas(level[of_normal], level[of_anomalous], int(level.max()) + 1)
    return out


def mean_draws(cells: Iterable[tuple[str, NDArray[np.int8], Floats]], draws: int = DRAWS) -> Floats | None:
    """AUROC of ``draws`` resamples, averaged over (category, seed) cells: float ``[methods, draws]``.

    A cell is its category's name, the labels of its images and their scores ``[methods, n]``; all seeds of a
    category have the same images in the same order. They share the draws as methods do: three seeds are no
    three test sets, and drawn apart their mean would seem surer of its images than it is. None where no
    cell has both classes.

    >>> labels, scores = np.array([0, 0, 1, 1], dtype=np.int8), np.array([[0.1, 0.5, 0.4, 0.9]])
    >>> once = mean_draws([("bolt", labels, scores)], 20)
    >>> bool((mean_draws([("bolt", labels, scores)] * 3, 20) == once).all())
    True
    """
    numbers: dict[str, int] = {}
    found = [
        auroc_draws(labels, scores, draws, seed=numbers.setdefault(category, len(numbers)))
        for category, labels, scores in cells
        if 0 < labels.sum() < len(labels)
    ]
    return np.mean(found, axis=0) if found else None


def _areas(normal: NDArray[np.int64], anomalous: NDArray[np.int64], levels: int) -> Floats:
    """AUROC of each line of level numbers ``[draws, n]``: the share of pairs in the right order."""
    below, at = _counts(normal, levels), _counts(anomalous, levels)
    # Normals below a level, and half of those at it.
    wins = np.cumsum(below, axis=1) - 0.5 * below
    return np.einsum("ij,ij->i", wins, at) / (normal.shape[1] * anomalous.shape[1])


def _counts(drawn: NDArray[np.int64], levels: int) -> Floats:
    """How often each level was drawn, line by line: float ``[draws, levels]``."""
    lines = np.arange(len(drawn))[:, None] * levels
    return (
        np.bincount((drawn + lines).ravel(), minlength=len(drawn) * levels).reshape(-1, levels).astype(float)
    )


def interval(draws: Floats, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of one line of draws.

    >>> low, high = interval(np.arange(1001) / 1000)
    >>> print(f"{low:.3f} {high:.3f}")
    0.025 0.975
    """
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
