"""What can be told apart: differences, tests over datasets, groups. Pure: numbers and frames in and out.

Tests are over datasets, never over seeds: three seeds are three draws of one experiment, and no p-value is
made of them (J. Demsar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, 2006).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LEVEL = 0.05
FEWEST_DATASETS = 6  # with five, Wilcoxon's smallest two-sided p-value is 0.0625: nothing could be found
ONE_POOL = ("-one-vs-all", "-multi-class")  # two protocols over the same images


def beyond_chance(
    difference: float, std_a: float | None, n_a: int, std_b: float | None, n_b: int
) -> bool | None:
    """Whether a difference of two means is over twice its standard error, sqrt(s_a^2/n_a + s_b^2/n_b).

    None where a spread is not known. It is a mark for the reader, not a test.

    >>> beyond_chance(-0.03, 0.01, 3, 0.02, 3), beyond_chance(-0.02, 0.01, 3, 0.02, 3)
    (True, False)
    >>> beyond_chance(0.5, None, 1, 0.02, 3) is None
    True
    """
    if std_a is None or std_b is None or math.isnan(std_a) or math.isnan(std_b) or not n_a or not n_b:
        return None
    return abs(difference) > 2 * math.sqrt(std_a**2 / n_a + std_b**2 / n_b)


@dataclass(frozen=True)
class Paired:
    """Differences a - b of values that belong together: their mean, sample std (None for one), number."""

    mean: float
    std: float | None
    n: int
    wins: int
    losses: int


def paired(a: Sequence[float], b: Sequence[float]) -> Paired:
    """Summary of paired differences.

    >>> paired([0.9, 0.8, 0.7], [0.8, 0.8, 0.8])
    Paired(mean=0.0, std=0.1, n=3, wins=1, losses=1)
    """
    found = np.round(np.asarray(a, float) - np.asarray(b, float), 12)
    std = float(np.round(found.std(ddof=1), 12)) if len(found) > 1 else None
    mean = float(np.round(found.mean(), 12)) + 0.0
    return Paired(mean, std, len(found), int((found > 0).sum()), int((found < 0).sum()))


def unit(dataset: str) -> str:
    """What a dataset counts as: the two protocols of one pool of images are one.

    >>> unit("mnist-one-vs-all"), unit("visa")
    ('mnist', 'visa')
    """
    for ending in ONE_POOL:
        dataset = dataset.removesuffix(ending)
    return dataset


def by_unit(wide: pd.DataFrame) -> pd.DataFrame:
    """Methods x datasets with the protocols of one pool averaged; a missing one makes the average missing.

    >>> wide = pd.DataFrame({"mnist-one-vs-all": [0.8], "mnist-multi-class": [0.6], "visa": [0.9]}, ["a"])
    >>> by_unit(wide).round(6).to_dict("index")
    {'a': {'mnist': 0.7, 'visa': 0.9}}
    """
    names: dict[str, list[str]] = {}
    for name in wide.columns:
        names.setdefault(unit(str(name)), []).append(name)
    return pd.DataFrame(
        {name: wide[own].mean(axis=1, skipna=False) for name, own in names.items()}, wide.index
    )


def ranks(wide: pd.DataFrame, higher_is_better: bool = True) -> pd.DataFrame:
    """Rank of each method on each dataset, 1 the best; ties share the mean of their places.

    >>> ranks(pd.DataFrame({"d": [0.9, 0.8, 0.9]}, list("abc")))["d"].tolist()
    [1.5, 3.0, 1.5]
    """
    return wide.round(9).rank(ascending=not higher_is_better, method="average")


@dataclass(frozen=True)
class Omnibus:
    """Friedman's test: is any method's average rank different? ``n`` datasets."""

    statistic: float
    p: float
    n: int


def friedman(wide: pd.DataFrame) -> Omnibus | None:
    """Friedman's chi-square over complete datasets; None below three methods or six datasets."""
    from scipy.stats import friedmanchisquare

    full = wide.dropna(axis=1)
    if len(full) < 3 or full.shape[1] < FEWEST_DATASETS:
        return None
    values = full.round(9).to_numpy()
    if (values == values[0]).all():
        return Omnibus(0.0, 1.0, full.shape[1])
    found = friedmanchisquare(*values)
    return Omnibus(float(found.statistic), float(found.pvalue), full.shape[1])


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction.

    >>> [round(v, 3) for v in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    corrected, largest = np.empty(len(p)), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - place) * p[index]))
        corrected[index] = largest
    return [float(value) for value in corrected]


def wilcoxon_pairs(wide: pd.DataFrame) -> pd.DataFrame:
    """Wilcoxon's signed-rank test of every two methods over datasets: ``a, b, difference, n, p, holm``.

    Over the datasets that every method has. ``p`` and ``holm`` are missing below six datasets.
    """
    from scipy.stats import wilcoxon

    full = wide.dropna(axis=1)
    lines = []
    for a, b in combinations(full.index, 2):
        difference = (full.loc[a] - full.loc[b]).round(9).to_numpy()
        p = math.nan
        if len(difference) >= FEWEST_DATASETS:
            p = float(wilcoxon(difference).pvalue) if difference.any() else 1.0
        mean = float(difference.mean()) if len(difference) else math.nan
        lines.append({"a": a, "b": b, "difference": mean, "n": len(difference), "p": p})
    found = pd.DataFrame(lines, columns=["a", "b", "difference", "n", "p"])
    known = found["p"].notna()
    found["holm"] = math.nan
    found.loc[known, "holm"] = holm(found.loc[known, "p"].tolist())
    return found


def cliques(average: pd.Series, pairs: pd.DataFrame, level: float = LEVEL) -> list[list[str]]:
    """Groups that cannot be told apart: runs of methods in order of rank, no two of them significantly different.

    Only largest groups of two or more, best first. Without p-values nothing is separated.

    >>> average = pd.Series({"a": 1.0, "b": 2.0, "c": 3.0})
    >>> pairs = pd.DataFrame({"a": ["a", "a", "b"], "b": ["b", "c", "c"], "holm": [0.5, 0.01, 0.2]})
    >>> cliques(average, pairs)
    [['a', 'b'], ['b', 'c']]
    """
    order = average.sort_values(kind="stable").index.tolist()
    apart = {frozenset((row.a, row.b)) for row in pairs.itertuples() if row.holm < level}
    found: list[list[str]] = []
    for start in range(len(order)):
        stop = start + 1
        while stop < len(order) and not any(frozenset((x, order[stop])) in apart for x in order[start:stop]):
            stop += 1
        group = order[start:stop]
        if len(group) > 1 and not any(set(group) <= set(other) for other in found):
            found.append(group)
    return found


def rank_interval(ranked: NDArray[np.float64], draws: int = 2000, seed: int = 0) -> NDArray[np.float64]:
    """95 % percentile interval of average ranks over resampled datasets: float ``[methods, 2]``.

    ``ranked`` float ``[methods, datasets]``. NaN below two datasets, where there is nothing to resample.

    >>> rank_interval(np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])).tolist()
    [[1.0, 1.0], [2.0, 2.0]]
    """
    n = ranked.shape[1]
    if n < 2:
        return np.full((len(ranked), 2), np.nan)
    drawn = np.random.default_rng(seed).integers(n, size=(draws, n))
    means = ranked[:, drawn].mean(axis=2)
    return np.quantile(means, [0.025, 0.975], axis=1).T
