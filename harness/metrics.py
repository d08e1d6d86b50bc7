"""Image-level metrics, computed from stored scores and labels (design: protocol, section 4).

Pure functions over arrays: ``labels`` int ``[n]`` of 0 (normal) and 1 (anomalous), ``scores`` float
``[n]``, finite, higher is more anomalous. Each returns a fraction in 0..1, or None where the value is
not defined because one of the classes is absent. Scores are never clamped, rescaled or repaired.

Raise ``METRICS_VERSION`` when a number could change: it is part of every column key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gad.harness.nouns import Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

METRICS_VERSION = 1


def auroc(labels: NDArray[np.int8], scores: NDArray[np.float64]) -> float | None:
    """Area under the ROC curve; ties count half."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores)) if _both(labels) else None


def auprc(labels: NDArray[np.int8], scores: NDArray[np.float64]) -> float | None:
    """Average precision: the step-wise sum over the precision-recall curve."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(labels, scores)) if _both(labels) else None


def f1_max(labels: NDArray[np.int8], scores: NDArray[np.float64]) -> float | None:
    """Largest F1 over all thresholds."""
    from sklearn.metrics import precision_recall_curve

    if not _both(labels):
        return None
    precision, recall, _ = precision_recall_curve(labels, scores)
    defined = (precision + recall) > 0
    precision, recall = precision[defined], recall[defined]
    return float((2 * precision * recall / (precision + recall)).max())


def fpr95(labels: NDArray[np.int8], scores: NDArray[np.float64]) -> float | None:
    """Smallest false positive rate at a true positive rate of 95 % or more."""
    from sklearn.metrics import roc_curve

    if not _both(labels):
        return None
    false_positive, true_positive, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(false_positive[true_positive >= 0.95].min())


def summary(labels: NDArray[np.int8], scores: NDArray[np.float64]) -> Result:
    """All image-level metrics of one part."""
    anomalous = int((labels == 1).sum())
    return Result(
        auroc=auroc(labels, scores),
        auprc=auprc(labels, scores),
        f1_max=f1_max(labels, scores),
        fpr95=fpr95(labels, scores),
        n_normal=len(labels) - anomalous,
        n_anomalous=anomalous,
    )


def _both(labels: NDArray[np.int8]) -> bool:
    return bool((labels == 0).any() and (labels == 1).any())
