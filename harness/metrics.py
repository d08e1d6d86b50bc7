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

    Labels = NDArray[np.int8]
    Scored = NDArray[np.float64]

METRICS_VERSION = 1


def auroc(labels: Labels, scores: Scored) -> float | None:
    """Area under the ROC curve; ties count half."""
    return summary(labels, scores).auroc


def auprc(labels: Labels, scores: Scored) -> float | None:
    """Average precision: the step-wise sum over the precision-recall curve."""
    return summary(labels, scores).auprc


def f1_max(labels: Labels, scores: Scored) -> float | None:
    """Largest F1 over all thresholds."""
    return summary(labels, scores).f1_max


def fpr95(labels: Labels, scores: Scored) -> float | None:
    """Smallest false positive rate at a true positive rate of 95 % or more."""
    return summary(labels, scores).fpr95


def summary(labels: Labels, scores: Scored) -> Result:
    """All image-level metrics of one part, from one ROC and one precision-recall curve."""
    anomalous = int((labels == 1).sum())
    counts = {"n_normal": len(labels) - anomalous, "n_anomalous": anomalous}
    if not 0 < anomalous < len(labels):
        return Result(auroc=None, auprc=None, **counts)
    return Result.model_validate({**_curves(labels, scores), **counts})


def _curves(labels: Labels, scores: Scored) -> dict[str, float]:
    import sklearn
    from sklearn.metrics import auc, precision_recall_curve, roc_curve

    # The scores were checked when they came in; checking them again would take most of the time.
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        false_positive, true_positive, _ = roc_curve(labels, scores, drop_intermediate=False)
        precision, recall, _ = precision_recall_curve(labels, scores)
        area = auc(false_positive, true_positive)
    defined = (precision + recall) > 0
    f1 = 2 * precision[defined] * recall[defined] / (precision[defined] + recall[defined])
    return {
        "auroc": float(area),
        "auprc": float(((recall[:-1] - recall[1:]) * precision[:-1]).sum()),
        "f1_max": float(f1.max()),
        "fpr95": float(false_positive[true_positive >= 0.95].min()),
    }
