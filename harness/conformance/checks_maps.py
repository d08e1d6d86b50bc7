"""The check of anomaly maps, for models that give any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gad.harness.conformance.checks_scores import apart, close
from gad.harness.conformance.failures import CheckFailed, NotApplicable
from gad.harness.conformance.planted import TESTED
from gad.harness.conformance.subject import Subject

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_maps(subject: Subject) -> None:
    """Maps are higher on planted defects, do not depend on the batch, and asking for them changes no score."""
    base = subject.base
    scores, maps = subject.maps(subject.planted(TESTED[0]))
    if maps is None:
        raise NotApplicable("it gives no maps")
    if not close(base, scores):
        raise CheckFailed(f"where maps are kept, scores are others{apart(base, scores)}")
    if not subject.info.transductive:
        _, single = subject.maps(subject.planted(TESTED[0], batch_size=1))
        if single is None or not close(maps.ravel(), single.ravel()):
            raise CheckFailed("batches of 1 give other maps")
    inside, outside = _on_defects(subject, maps)
    if inside <= outside:
        raise CheckFailed(
            f"on planted defects the maps are {inside:.6g} on average, beside them {outside:.6g}: "
            "higher must be more anomalous, with rows from the top"
        )


def _on_defects(subject: Subject, maps: NDArray[np.float32]) -> tuple[float, float]:
    """Mean of the maps on the planted defects of the first category, and beside them in the same images."""
    height, width = maps.shape[1:]
    inside, outside = [], []
    for sample, heat in zip(subject.field[TESTED[0]].queries, maps, strict=True):
        if sample.mask:
            mask = Image.open(subject.field.root / sample.mask).resize((width, height), Image.Resampling.BOX)
            marks = np.asarray(mask)
            inside.append(heat[marks > 200])
            outside.append(heat[marks < 50])
    return float(np.concatenate(inside).mean()), float(np.concatenate(outside).mean())
