"""Scoring the parts of one unit in supervised processes. Runs in a worker; knows nothing of Ray."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from gad.harness import tiles
from gad.harness.errors import HarnessError
from gad.harness.executor.attempts import MAPS, attempts
from gad.harness.executor.ended import Ended, failed, keep, measured, record_of
from gad.harness.executor.inputs import Inputs
from gad.harness.executor.memory import in_memory
from gad.harness.executor.order import Order
from gad.harness.executor.passes import BATCH
from gad.harness.executor.pixels import Pixels, View, measure
from gad.harness.executor.sealed import CHANGED, seal
from gad.harness.nouns import FeatureInput, Sample, Scores
from gad.harness.store.records import PartRecord
from gad.harness.units import PlannedPart, ScoreUnit, source_name


def score(
    unit: ScoreUnit,
    order: Order,
    inputs_in: Callable[[Path], Inputs],
    untrained: Mapping[str, str],
    view: View | None = None,
) -> Iterator[Ended]:
    """Score every part of a unit, yielding what came of it as each one ends.

    ``inputs_in(folder)`` writes the unit's arrays into a folder in memory that lasts as long as the unit.
    ``view`` is only needed where maps or pixel metrics are asked for. ``untrained`` says of trainings that failed why.
    """
    with in_memory() as folder:
        inputs = inputs_in(folder)
        sealed = seal(folder, MAPS)
        for part in unit.parts:
            started, clock = time.time(), time.monotonic()
            seen = unit.shown((*part.prompts, *unit.tests))
            unreadable = [s for s in seen if s.digest in inputs.unreadable]
            if unreadable:
                outcome = _unreadable(unreadable, inputs.unreadable)
            elif part.training in untrained:
                outcome = {"error_type": "TrainingFailed", "error": untrained[part.training]}
            else:
                outcome = attempts(unit, part, order, inputs)
                if seal(folder, MAPS) != sealed:
                    outcome = {**outcome, "error_type": "ModelError", "error": CHANGED}
                    folder.mkdir(exist_ok=True)
                    inputs = inputs_in(folder)  # made again for the parts that come after
                    sealed = seal(folder, MAPS)
                if not inputs.halved.isdisjoint(s.digest for s in seen):
                    outcome["halved_batch"] = min(BATCH // 2, outcome.get("halved_batch", BATCH))
                outcome["input_seconds"] = inputs.seconds(part)
                outcome["parameters"] = outcome.get("parameters", 0) + inputs.parameters(part)
            outcome.setdefault("seconds", time.monotonic() - clock)
            maps = folder / f"{part.part_id}-{MAPS}"
            yield _with_maps(_record(unit, part, order, started, outcome), maps, unit, view)
            maps.unlink(missing_ok=True)


def _with_maps(record: PartRecord, file: Path, unit: ScoreUnit, view: View | None) -> Ended:
    """The part with its maps to be kept and its pixel metrics; it has failed if either cannot be had.

    A slice takes its maps along instead: metrics need those of the whole part.
    """
    if record.status == "failed" or not file.exists():
        return Ended(record)
    maps = tiles.maps(np.load(file, allow_pickle=False), unit.tests, unit.tiles)
    try:
        kept = keep(record, maps, view.seen if view else None)
        if not (record.pixel_asked and unit.masked):
            return Ended(record, kept)
        assert view is not None
        pixels = Pixels(maps, unit.tests, view)
        if unit.slices > 1:
            return Ended(record, kept, pixels)
        return Ended(measured(record, measure(pixels)), kept)
    except HarnessError as error:
        return Ended(failed(record, type(error).__name__, str(error)))


def _unreadable(samples: list[Sample], errors: Mapping[str, str]) -> dict[str, Any]:
    found = [errors[s.digest] for s in samples if s.digest in errors]
    more = f" (and {len(found) - 1} more images)" if len(found) > 1 else ""
    return {"error_type": "DataError", "error": found[0] + more}


def _record(
    unit: ScoreUnit, part: PlannedPart, order: Order, started: float, outcome: dict[str, Any]
) -> PartRecord:
    if "error" not in outcome:
        outcome = _checked(unit, part, outcome)
    wrong = "error" in outcome
    tests = () if wrong else unit.tests
    return record_of(
        unit,
        part,
        order.run_id,
        "failed" if wrong else "done",
        sample_ids=tuple(s.id for s in tests),
        labels=tuple(s.label for s in tests),
        defects=tuple(s.defect for s in tests),
        scores=() if wrong else tuple(outcome["scores"]),
        attempts=outcome.get("attempts", 1),
        halved_batch=outcome.get("halved_batch", 0),
        error_type=outcome.get("error_type", ""),
        error=outcome.get("error", "")[:4000],
        traceback=outcome.get("traceback", "")[-16000:],
        output=outcome.get("output", ""),
        node=order.node,
        pid=os.getpid(),
        threads=order.threads,
        peak_memory_mb=outcome.get("peak_memory_mb", 0.0),
        started=started,
        seconds=outcome["seconds"],
        input_seconds=outcome.get("input_seconds", 0.0),
        source=source_name(part.input.model_dump(mode="json")),
        windowed=isinstance(part.input, FeatureInput) and bool(part.input.windows),
        parameters=outcome.get("parameters"),
        maps_most=0 if wrong else order.maps_most,
        pixel_asked=order.pixel_metrics and not wrong,
    )


def _checked(unit: ScoreUnit, part: PlannedPart, outcome: dict[str, Any]) -> dict[str, Any]:
    """The outcome, or an error outcome when a score is missing, NaN or infinite (naming the image)."""
    shown = unit.shown(unit.tests)
    try:
        Scores(
            part_id=part.part_id,
            sample_ids=tuple(s.id for s in shown),
            labels=tuple(s.label for s in shown),
            values=tuple(outcome["scores"]),
        )
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        return {**outcome, "error_type": "BadScores", "error": f"{reason}; scores must be finite"}
    return {**outcome, "scores": tiles.scores(outcome["scores"], unit.tests, unit.tiles)}
