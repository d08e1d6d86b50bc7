"""ROC and precision-recall curves, and which images moved them. Pure: arrays and frames in and out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_POINTS = 400  # of a curve that is drawn; ends and corners in between are kept evenly


def roc(labels: NDArray[np.int8], scores: Floats) -> tuple[Floats, Floats]:
    """False and true positive rate at every threshold, from (0, 0) to (1, 1); equal scores are one step.

    ``labels`` int ``[n]`` of 0 and 1, both present; ``scores`` float ``[n]``, higher is more anomalous.

    >>> [v.tolist() for v in roc(np.array([0, 1], dtype=np.int8), np.array([0.1, 0.9]))]
    [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    """
    positive, total = _counts(labels, scores)
    anomalous = labels.sum()
    return (total - positive) / (len(labels) - anomalous), positive / anomalous


def precision_recall(labels: NDArray[np.int8], scores: Floats) -> tuple[Floats, Floats]:
    """Precision and recall at every threshold, highest first; they begin at precision 1, recall 0."""
    positive, total = _counts(labels, scores)
    precision = np.divide(positive, total, out=np.ones(len(total)), where=total > 0)
    return precision, positive / labels.sum()


def _counts(labels: NDArray[np.int8], scores: Floats) -> tuple[Floats, Floats]:
    """Anomalous images, and all, at or above every threshold, beginning with none."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    positive = np.cumsum(labels[order])[last].astype(float)
    return np.append(0.0, positive), np.append(0.0, last + 1.0)


def thin(x: Floats, y: Floats, most: int = MOST_POINTS) -> tuple[list[float], list[float]]:
    """At most about ``most`` points of a curve, ends included."""
    keep = np.unique(np.linspace(0, len(x) - 1, min(most, len(x))).round().astype(int))
    return x[keep].tolist(), y[keep].tolist()


KINDS = {"alarms": "worst false alarms", "missed": "missed anomalies", "disagreement": "largest disagreement"}


def picked(scores: pd.DataFrame, kind: str, most: int, other: pd.DataFrame | None = None) -> pd.DataFrame:
    """The images that a curve suffers from most: lines of ``scores`` with ``standing``, a share in 0..1.

    ``alarms``: normal images with the highest scores; ``standing`` is the share of anomalous ones that they
    outscore. ``missed``: anomalous images with the lowest; the share of normal ones that outscore them.
    ``disagreement``: images whose place among all differs most from ``other``'s; ``standing`` is that
    difference, positive where ``scores`` ranks them as more anomalous.

    >>> scores = pd.DataFrame({"sample_id": list("abcd"), "label": [0, 0, 1, 1], "score": [0.1, 0.6, 0.5, 0.9]})
    >>> picked(scores, "alarms", 1)[["sample_id", "standing"]].values.tolist()
    [['b', 0.5]]
    """
    if kind == "disagreement":
        if other is None:
            return scores.iloc[:0].assign(standing=[])
        both = scores.merge(other[["sample_id", "score"]], on="sample_id", suffixes=("", "_other"))
        both["standing"] = both["score"].rank(pct=True) - both["score_other"].rank(pct=True)
        return both.loc[both["standing"].abs().sort_values(ascending=False, kind="stable").index].head(most)
    label = 0 if kind == "alarms" else 1
    own, rest = (
        scores[scores["label"] == label],
        np.sort(scores.loc[scores["label"] != label, "score"].to_numpy()),
    )
    found = own.sort_values("score", ascending=kind == "missed", kind="stable").head(most)
    below = np.searchsorted(rest, found["score"].to_numpy(), side="left") / max(1, len(rest))
    above = 1 - np.searchsorted(rest, found["score"].to_numpy(), side="right") / max(1, len(rest))
    return found.assign(standing=below if kind == "alarms" else above)
