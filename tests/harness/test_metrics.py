"""Metrics against slow definitions and hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gad.harness import metrics

# Few distinct values, so that ties are common.
scored = st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=2, max_size=40).filter(
    lambda rows: 0 < sum(label for label, _ in rows) < len(rows)
)


def arrays(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = zip(*rows, strict=True)
    return np.array(labels, dtype=np.int8), np.array(scores, dtype=np.float64)


def operating_points(rows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(true positives, false positives) at every threshold, from the strictest."""
    return [
        (
            sum(score >= threshold for label, score in rows if label == 1),
            sum(score >= threshold for label, score in rows if label == 0),
        )
        for threshold in sorted({score for _, score in rows}, reverse=True)
    ]


@given(scored)
def test_auroc_counts_pairs(rows: list[tuple[int, int]]) -> None:
    normal = [s for label, s in rows if label == 0]
    anomalous = [s for label, s in rows if label == 1]
    wins = sum((a > n) + 0.5 * (a == n) for a in anomalous for n in normal)
    assert metrics.auroc(*arrays(rows)) == pytest.approx(wins / len(normal) / len(anomalous))


@given(scored)
def test_the_others_follow_their_definitions(rows: list[tuple[int, int]]) -> None:
    positives = sum(label for label, _ in rows)
    negatives = len(rows) - positives
    points = operating_points(rows)
    average, seen = 0.0, 0
    for hits, alarms in points:
        average += (hits - seen) / positives * hits / (hits + alarms)
        seen = hits
    assert metrics.auprc(*arrays(rows)) == pytest.approx(average)
    best = max(2 * hits / (hits + alarms + positives) for hits, alarms in points)
    assert metrics.f1_max(*arrays(rows)) == pytest.approx(best)
    low = min(alarms / negatives for hits, alarms in points if hits / positives >= 0.95)
    assert metrics.fpr95(*arrays(rows)) == pytest.approx(low)


@given(scored)
def test_only_the_order_of_scores_counts(rows: list[tuple[int, int]]) -> None:
    labels, scores = arrays(rows)
    assert metrics.summary(labels, scores) == metrics.summary(labels, np.exp(scores) * 1e-8 - 5)


def test_by_hand() -> None:
    """Scores .1 .4 .35 .8, labels 0 0 1 1: three of four pairs are in order; precision 1 and 2/3."""
    labels, scores = np.array([0, 0, 1, 1], dtype=np.int8), np.array([0.1, 0.4, 0.35, 0.8])
    found = metrics.summary(labels, scores)
    assert found.auroc == 0.75
    assert found.auprc == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found.f1_max == pytest.approx(0.8)
    assert found.fpr95 == 0.5
    assert (found.n_normal, found.n_anomalous) == (2, 2)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_has_no_metric(label: int) -> None:
    found = metrics.summary(np.full(3, label, dtype=np.int8), np.arange(3.0))
    assert (found.auroc, found.auprc, found.f1_max, found.fpr95) == (None, None, None, None)


@given(scored)
def test_they_are_scikit_learns(rows: list[tuple[int, int]]) -> None:
    """The two areas come from the curves; scikit-learn's own functions must say the same."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    labels, scores = arrays(rows)
    assert metrics.auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-15)
    assert metrics.auprc(labels, scores) == pytest.approx(average_precision_score(labels, scores), abs=1e-15)


def test_fpr95_by_hand() -> None:
    """Anomalous scores 1 to 20: at 2 and above 19 of 20 are found, just enough; two of four normal ones are there."""
    labels = np.array([1] * 20 + [0] * 4, dtype=np.int8)
    scores = np.array([*range(1, 21), 0.5, 1.5, 2.5, 30.0])
    assert metrics.fpr95(labels, scores) == 0.5
