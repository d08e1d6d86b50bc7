"""What comes home of a part that has ended: its record, and which of its maps are to be kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gad.harness.errors import ModelError
from gad.harness.executor.pixels import Pixels, together
from gad.harness.nouns import ImageInput, PixelResult
from gad.harness.store.mapfiles import Maps
from gad.harness.store.records import PartRecord
from gad.harness.units import PlannedPart, ScoreUnit

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Ended:
    """A part, or one slice of it, and those of its maps that are kept (None: of a model that gives none).

    ``pixels``: what pixel metrics are still to be computed of, for a part in slices.
    """

    record: PartRecord
    kept: Maps | None = None
    pixels: Pixels | None = None


def record_of(
    unit: ScoreUnit, part: PlannedPart, run_id: str, status: Literal["done", "failed"], **found: Any
) -> PartRecord:
    """The record of a part that ended now: what was planned, and the fields ``found`` of what came of it."""
    return PartRecord(
        part_id=part.part_id,
        status=status,
        run_id=run_id,
        dataset=unit.dataset,
        category=unit.category,
        model=part.model,
        options=part.options,
        shots=part.shots,
        seed=unit.seed,
        training_seed=part.training_seed,
        method_key=part.method_key,
        prompts=tuple(s.id for s in part.prompts),
        ended=time.time(),
        **found,
    )


def keep(record: PartRecord, maps: NDArray[np.float32], seen: ImageInput | None = None) -> Maps | None:
    """The maps that ``record.maps_most`` asks for, of maps ``[n, h, w]`` in the order of its samples.

    ``seen``: how the images were prepared.

    Raises ModelError for values beyond fp16.
    """
    rows = worst(record.scores, record.labels, record.maps_most)
    if not rows:
        return None
    with np.errstate(over="ignore"):
        narrow = maps[rows].astype(np.float16)
    if not np.isfinite(narrow).all():
        raise ModelError(
            f"maps hold values up to {np.abs(maps[rows]).max():.4g}; kept maps are fp16, up to 65504",
            fix="Return smaller values, or keep no maps of this model.",
        )
    return Maps(ids=tuple(record.sample_ids[row] for row in rows), maps=narrow, seen=seen)


def worst(scores: Sequence[float], labels: Sequence[int], most: int) -> list[int]:
    """Rows of the ``most`` highest scored normals and lowest scored anomalies; of equal scores the first.

    In ascending order.
    """
    normals = sorted((row for row, label in enumerate(labels) if not label), key=lambda row: -scores[row])
    anomalies = sorted((row for row, label in enumerate(labels) if label), key=lambda row: scores[row])
    return sorted([*normals[:most], *anomalies[:most]])


def joined(slices: Sequence[Ended]) -> Ended:
    """One part of all its slices in order; node and process are those of the first.

    The worst of a part are among the worst of its slices.
    """
    records = [each.record for each in slices]
    record = records[0].model_copy(
        update={
            "sample_ids": tuple(name for record in records for name in record.sample_ids),
            "labels": tuple(label for record in records for label in record.labels),
            "defects": tuple(defect for record in records for defect in record.defects),
            "scores": tuple(score for record in records for score in record.scores),
            "attempts": max(record.attempts for record in records),
            "halved_batch": max(record.halved_batch for record in records),
            "peak_memory_mb": max(record.peak_memory_mb for record in records),
            "started": min(record.started for record in records),
            "ended": max(record.ended for record in records),
            "seconds": sum(record.seconds for record in records),
            "input_seconds": sum(record.input_seconds for record in records),
        }
    )
    held = [each.kept for each in slices if each.kept is not None]
    looked = [each.pixels for each in slices if each.pixels is not None]
    sizes = {each.maps.shape[1:] for each in held} | {each.maps.shape[1:] for each in looked}
    if len(sizes) > 1 or len(held) not in (0, len(slices)) or len(looked) not in (0, len(slices)):
        return Ended(
            failed(record, "ModelError", "score() returned maps for some queries only, or of several sizes")
        )
    pixels = together(looked) if looked else None
    if not held:
        return Ended(record, None, pixels)
    rows = {name: one for each in held for name, one in zip(each.ids, each.maps, strict=True)}
    ids = tuple(record.sample_ids[row] for row in worst(record.scores, record.labels, record.maps_most))
    kept = Maps(ids=ids, maps=np.stack([rows[name] for name in ids]), seen=held[0].seen)
    return Ended(record, kept, pixels)


def measured(record: PartRecord, result: PixelResult) -> PartRecord:
    """The record with its pixel metrics."""
    return record.model_copy(update=result.model_dump())


def failed(record: PartRecord, error_type: str, error: str) -> PartRecord:
    """The record of a part that turned out to have failed after all."""
    nothing = dict.fromkeys(("sample_ids", "labels", "defects", "scores"), ())
    return record.model_copy(update={**nothing, "status": "failed", "error_type": error_type, "error": error})
