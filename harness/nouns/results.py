"""What comes out: scores, and metrics of them."""

from __future__ import annotations

import math

from pydantic import model_validator

from gad.harness.nouns.frozen import Frozen


class Scores(Frozen):
    """Image scores of one part, higher is more anomalous, any finite range."""

    part_id: str
    sample_ids: tuple[str, ...]
    labels: tuple[int, ...]
    values: tuple[float, ...]

    @model_validator(mode="after")
    def _complete_and_finite(self) -> Scores:
        if not len(self.sample_ids) == len(self.labels) == len(self.values):
            raise ValueError(
                f"{len(self.sample_ids)} samples, {len(self.labels)} labels, {len(self.values)} scores"
            )
        for sample, value in zip(self.sample_ids, self.values, strict=True):
            if not math.isfinite(value):
                raise ValueError(f"score of {sample} is {value}")
        return self


class Result(Frozen):
    """Metrics of one part or job, fractions in 0..1; None where a class is missing."""

    auroc: float | None
    auprc: float | None
    f1_max: float | None = None
    fpr95: float | None = None
    n_normal: int
    n_anomalous: int


class PixelResult(Frozen):
    """Pixel metrics of one category, fractions in 0..1; None where they are not defined."""

    pixel_auroc: float | None = None
    pixel_auprc: float | None = None
    pixel_aupro: float | None = None
