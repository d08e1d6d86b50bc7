"""Image-stratified bootstrap of AUROC. Pure functions over arrays.

Normal and anomalous images are drawn apart, each with replacement and as many as there are, so that every
draw has the label ratio of the data. What scored the same images (other detectors, other seeds) shares the
draws: differences are paired, and an image that is hard for all moves them all.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]

BLOCK = 1_000_000  # numbers held at once: few enough to stay in a processor's cache
DRAWS = 1000


def auroc_draws(labels: Labels, scores: Floats, draws: int = DRAWS, seed: int = 0) -> Floats:
    """AUROC of ``draws`` resamples, ties counting half: float ``[rows, draws]`` in 0..1.

    ``labels`` int ``[n]`` of 0 and 1, ``scores`` float ``[rows, n]``, higher is more anomalous.
    Raises ValueError when a class is absent.

    >>> labels = np.array([0, 0, 1, 1], dtype=np.int8)
    >>> auroc_draws(labels, np.array([[0.1, 0.2, 0.8, 0.9]]), draws=3).tolist()
    [[1.0, 1.0, 1.0]]
    """
    rows = np.atleast_2d(scores)
    normal, anomalous = rows[:, labels == 0], rows[:, labels == 1]
    if not normal.size or not anomalous.size:
        raise ValueError("AUROC needs normal and anomalous images")
    streams = np.random.default_rng(seed).spawn(2)  # so that a draw does not depend on the size of blocks
    step = max(1, BLOCK // rows.shape[1])
    out = np.empty((len(rows), draws))
    for start in range(0, draws, step):
        block = slice(start, min(draws, start + step))
        times = [_times(s, c.shape[1], block) for s, c in zip(streams, (normal, anomalous), strict=True)]
        for row, (below, above) in enumerate(zip(normal, anomalous, strict=True)):
            out[row, block] = _areas(below, above, *times)
    return out


def _times(random: np.random.Generator, n: int, block: slice) -> NDArray[np.float32]:
    """How often each of ``n`` images is in each draw of a block: float32 ``[n, draws]``, whole numbers."""
    draws = block.stop - block.start
    drawn = random.integers(n, size=(draws, n), dtype=np.int32)
    drawn += np.arange(draws, dtype=np.int32)[:, None] * n
    counts = np.bincount(drawn.ravel(), minlength=draws * n).reshape(draws, n)
    return np.ascontiguousarray(counts.T, dtype=np.float32)


def _areas(
    normal: Floats, anomalous: Floats, times: NDArray[np.float32], times_anomalous: NDArray[np.float32]
) -> Floats:
    """AUROC of each draw: the share of (normal, anomalous) pairs in the right order. float ``[draws]``."""
    order = np.argsort(normal, kind="stable")
    ordered = normal[order]
    below = np.zeros(
        (len(normal) + 1, times.shape[1]), np.float32
    )  # normal images drawn under each threshold
    np.cumsum(times[order], axis=0, out=below[1:])
    less, up_to = (np.searchsorted(ordered, anomalous, side) for side in ("left", "right"))
    wins = below[less]
    if (less != up_to).any():
        wins += below[up_to]
        wins /= 2
    wins *= times_anomalous
    areas: Floats = wins.sum(axis=0, dtype=np.float64) / (len(normal) * len(anomalous))
    return areas


def mean_draws(categories: Iterable[tuple[Labels, Floats]], draws: int = DRAWS) -> Floats | None:
    """Draws of detectors' mean AUROC over categories and seeds: float ``[methods, draws]``.

    Each category: ``labels`` int ``[n]`` and ``scores`` float ``[methods, seeds, n]`` of the same images. Its
    seeds share the draws, as they share the images: drawn apart, three seeds would pass for three test sets. A
    category of one class counts in no mean; None where no other is left.

    >>> category = (np.array([0, 1], dtype=np.int8), np.array([[[0.1, 0.9], [0.9, 0.1]]]))
    >>> mean_draws([category, category], draws=2).tolist()
    [[0.5, 0.5]]
    """
    means = []
    for number, (labels, scores) in enumerate(categories):
        if not 0 < labels.sum() < len(labels):
            continue
        methods, seeds, n = scores.shape
        found = auroc_draws(labels, scores.reshape(methods * seeds, n), draws, seed=number)
        means.append(found.reshape(methods, seeds, draws).mean(axis=1))
    return np.asarray(np.mean(means, axis=0)) if means else None


def interval(draws: Floats, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of one line of draws.

    >>> low, high = interval(np.arange(1001) / 1000)
    >>> print(f"{low:.3f} {high:.3f}")
    0.025 0.975
    """
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
