"""Image-stratified bootstrap of AUROC. Pure functions over arrays.

Normal and anomalous images are drawn apart, each with replacement and as many as there are, so that every
draw has the label ratio of the data. What scored the same images (other detectors, other seeds, the other
categories of one-vs-all) shares the draws: differences are paired, and an image that is hard for all moves
them all. Images with several labels, one for each category, are drawn apart by all of them together, which
keeps every category's ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
Strata = NDArray[np.int64]

BLOCK = 1_000_000  # numbers held at once: few enough to stay in a processor's cache
DRAWS = 1000


def auroc_draws(
    labels: Labels, scores: Floats, draws: int = DRAWS, seed: int = 0, strata: Strata | None = None
) -> Floats:
    """AUROC of ``draws`` resamples, ties counting half: float ``[rows, draws]`` in 0..1.

    ``labels`` int ``[n]`` of 0 and 1, ``scores`` float ``[rows, n]``, higher is more anomalous. ``strata`` int
    ``[n]``, from 0: images of one are drawn from each other; they must be alike in label, which alone counts
    where they are not given. The same seed and strata draw the same images. Raises ValueError when a class is
    absent.

    >>> labels = np.array([0, 0, 1, 1], dtype=np.int8)
    >>> auroc_draws(labels, np.array([[0.1, 0.2, 0.8, 0.9]]), draws=3).tolist()
    [[1.0, 1.0, 1.0]]
    """
    rows = np.atleast_2d(scores)
    normal, anomalous = rows[:, labels == 0], rows[:, labels == 1]
    if not normal.size or not anomalous.size:
        raise ValueError("AUROC needs normal and anomalous images")
    apart = labels if strata is None else strata
    members = [np.flatnonzero(apart == stratum) for stratum in range(int(apart.max()) + 1)]
    # One for each, so that a draw does not depend on the size of blocks.
    streams = np.random.default_rng(seed).spawn(len(members))
    step = max(1, BLOCK // rows.shape[1])
    out = np.empty((len(rows), draws))
    for start in range(0, draws, step):
        block = slice(start, min(draws, start + step))
        times = np.empty((len(labels), block.stop - start), np.float32)
        for stream, own in zip(streams, members, strict=True):
            times[own] = _times(stream, len(own), block)
        of_normal, of_anomalous = times[labels == 0], times[labels == 1]
        for row, (below, above) in enumerate(zip(normal, anomalous, strict=True)):
            out[row, block] = _areas(below, above, of_normal, of_anomalous)
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


@dataclass(frozen=True)
class Category:
    """Scores of one category's test images: ``labels`` int ``[n]``, ``scores`` float ``[methods, seeds, n]``.

    Categories with the same ``images``, a number for which images they are, in order, share their draws.
    """

    labels: Labels
    scores: Floats
    images: int


def mean_draws(categories: Sequence[Category], draws: int = DRAWS) -> Floats | None:
    """Draws of detectors' mean AUROC over categories and seeds: float ``[methods, draws]``.

    Seeds share the draws, as they share the images: drawn apart, three seeds would pass for three test sets. So
    do categories of one-vs-all, which are the same images under other labels. A category of one class counts in
    no mean; None where no other is left.

    >>> labels, scores = np.array([0, 1], dtype=np.int8), np.array([[[0.1, 0.9], [0.9, 0.1]]])
    >>> mean_draws([Category(labels, scores, 1), Category(labels, scores, 2)], draws=2).tolist()
    [[0.5, 0.5]]
    """
    means, pools = [], list(dict.fromkeys(category.images for category in categories))
    for number, pool in enumerate(pools):
        own = [category for category in categories if category.images == pool]
        strata = np.unique(np.stack([c.labels for c in own]), axis=1, return_inverse=True)[1].ravel()
        for category in own:
            if not 0 < category.labels.sum() < len(category.labels):
                continue
            methods, seeds, n = category.scores.shape
            rows = category.scores.reshape(methods * seeds, n)
            found = auroc_draws(category.labels, rows, draws, number, strata)
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
