"""Averages over datasets, which only complete methods have: by protocol group, and of ranks."""

from __future__ import annotations

import pandas as pd

from gad.leaderboard import significance
from gad.leaderboard.ranking import COLUMN, METRICS, ROW, TIE_DIGITS
from gad.leaderboard.sheet import Figure

Key = tuple[str, str, str]
FIELDS = ["rank", "low", "high", "datasets", "among", "place", "transductive"]


def complete(ranked: pd.DataFrame, columns: pd.DataFrame) -> pd.DataFrame:
    """Means as methods x datasets over the newest column of each dataset; what is incomplete is missing.

    ``ranked`` as from :func:`gad.leaderboard.ranking.cells`, ``columns`` as from ``ranking.columns``.
    """
    current = columns[columns["age"] == 0]
    keys = pd.MultiIndex.from_frame(current[COLUMN])
    found = ranked[pd.MultiIndex.from_frame(ranked[COLUMN]).isin(keys)]
    means = found["mean"].where(found["complete"])
    wide = found.assign(mean=means).set_index([*ROW, "dataset"])["mean"].unstack("dataset")
    return wide.reindex(columns=current["dataset"].tolist())


def standings(ranked: pd.DataFrame, columns: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Average rank of each method that is complete on every dataset: its ``FIELDS``, by the method's key.

    The two protocols of one pool of images are averaged first and count once. What looks through generated
    weights is left out, and ``transductive`` methods come last, ranked among themselves. ``low`` and ``high``
    are the 95 % interval over resampled datasets, ``place`` 1 for the best.
    """
    kept = ranked[~ranked["generated"]]
    kinds = {kind: _standings(kept[kept["transductive"] == kind], columns, metric) for kind in (False, True)}
    found = [lines.assign(transductive=kind) for kind, lines in kinds.items() if lines is not None]
    return pd.concat(found) if found else pd.DataFrame(columns=FIELDS)


def _standings(ranked: pd.DataFrame, columns: pd.DataFrame, metric: str) -> pd.DataFrame | None:
    """The same of methods that are ranked among each other, without ``transductive``; None of fewer than two."""
    wide = significance.by_unit(complete(ranked, columns)).dropna(axis=0)
    if wide.empty or len(wide) < 2:
        return None
    places = significance.ranks(wide, METRICS[metric].higher_is_better)
    bounds = significance.rank_interval(places.to_numpy(float))
    average = places.mean(axis=1)
    found = pd.DataFrame(
        {
            "rank": average,
            "low": bounds[:, 0],
            "high": bounds[:, 1],
            "datasets": wide.shape[1],
            "among": len(wide),
            "place": average.round(TIE_DIGITS).rank(method="min").astype(int),
        }
    )
    return found.sort_values("rank", kind="stable")


def averages(ranked: pd.DataFrame, columns: pd.DataFrame, metric: str) -> dict[tuple[Key, str], Figure]:
    """Mean over the datasets of each protocol group, by (method's key, protocol), ranked among complete ones.

    ``n`` and ``planned`` count datasets. A mean over fewer than all has no value.
    """
    wide, found = complete(ranked, columns), {}
    drawn, sees_all = (
        wide.index.isin(pd.MultiIndex.from_frame(ranked.loc[ranked[mark], ROW]))
        for mark in ("generated", "transductive")
    )
    for protocol, own in columns[columns["age"] == 0].groupby("protocol"):
        part = wide[own["dataset"].tolist()]
        means, known = part.mean(axis=1, skipna=False), part.notna().sum(axis=1)
        better = METRICS[metric].higher_is_better
        comparable = means.where(~drawn).round(TIE_DIGITS)
        places = comparable.groupby(sees_all).rank(method="min", ascending=not better)
        for key, mean, n, place in zip(part.index, means, known, places, strict=True):
            whole = n == part.shape[1]
            shown = int(place) if whole and place <= 2 else 0
            found[key, str(protocol)] = Figure(
                float(mean) if whole else None, None, int(n), part.shape[1], shown
            )
    return found
