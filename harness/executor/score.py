"""Scoring the parts of one unit in supervised processes. Runs in a worker; knows nothing of Ray."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from pydantic import ValidationError

from gad.harness import tiles
from gad.harness.errors import HarnessError, StoreError
from gad.harness.executor import trainings
from gad.harness.executor.ended import Ended, failed, keep, measured, record_of
from gad.harness.executor.inputs import Inputs
from gad.harness.executor.passes import BATCH
from gad.harness.executor.pixels import Pixels, View, measure
from gad.harness.executor.supervise import Child, ChildEnded, has_children
from gad.harness.nouns import FeatureInput, Frozen, Limits, Sample, Scores
from gad.harness.store.records import PartRecord
from gad.harness.units import PlannedPart, ScoreUnit, source_name

IDLE_CHILDREN = 16  # more than the methods that usually share a unit; each holds some hundred MB
LEAST_FREE = 0.25  # of the machine's memory; with less, only the child that was used last stays
MEMORY_PREFIX = "gad-"
SHARED = "/dev/shm"  # noqa: S108
LEAST_SHARED_BYTES = 1_000_000_000


class Method(Frozen):
    """How to run one method: where its info is, and its canonical batch size."""

    info: str
    batch_size: int


class Order(Frozen):
    """What a worker needs beside the unit itself. ``methods`` are by method key; ``maps_most`` as in
    :func:`gad.harness.nouns.most_maps`; ``pixel_metrics`` where there are masks."""

    run_id: str
    methods: dict[str, Method]
    limits: Limits
    threads: int
    cache: str
    maps_most: int = 0
    pixel_metrics: bool = False
    node: str = ""
    device: str = "cpu"  # of encoders; detectors themselves compute on CPUs


class Children:
    """Living child processes of this worker, one per method: starting one takes longer than many parts.

    A process never serves two methods, and one that failed in any way but a Python error is replaced. Units go
    through their methods in the same order, so a limit below their number would start every one of them anew.
    """

    def __init__(self) -> None:
        self.idle: dict[tuple[str, int], Child] = {}

    def take(self, method: str, threads: int) -> Child:
        child = self.idle.pop((method, threads), None)
        if child is not None and child.process.poll() is None:
            return child
        return Child(threads)

    def give_back(self, method: str, threads: int, child: Child) -> None:
        self.idle[method, threads] = child
        memory = psutil.virtual_memory()
        most = IDLE_CHILDREN if memory.available >= LEAST_FREE * memory.total else 1
        while len(self.idle) > most:
            self.idle.pop(next(iter(self.idle))).close()


CHILDREN = Children()
MAPS = "maps.npy"


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
        for part in unit.parts:
            started, clock = time.time(), time.monotonic()
            seen = unit.shown((*part.prompts, *unit.tests))
            unreadable = [s for s in seen if s.digest in inputs.unreadable]
            if unreadable:
                outcome = _unreadable(unreadable, inputs.unreadable)
            elif part.training in untrained:
                outcome = {"error_type": "TrainingFailed", "error": untrained[part.training]}
            else:
                outcome = _attempts(unit, part, order, inputs)
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


def looks_at_maps(unit: ScoreUnit, order: Order) -> bool:
    """Whether anybody will look at the maps of the unit's parts."""
    return order.maps_most > 0 or (order.pixel_metrics and unit.masked)


@contextlib.contextmanager
def in_memory() -> Iterator[Path]:
    """A folder in shared memory (or, where there is none, on disk) for as long as the block lasts."""
    sweep_memory()
    prefix = f"{MEMORY_PREFIX}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=_memory(), ignore_cleanup_errors=True) as name:
        yield Path(name)


def _memory() -> str:
    """Shared memory, unless there is so little as a container has by default (64 MB)."""
    room = os.access(SHARED, os.W_OK) and shutil.disk_usage(SHARED).free >= LEAST_SHARED_BYTES
    return SHARED if room else tempfile.gettempdir()


def sweep_memory() -> None:
    """Remove what processes that were killed left in shared memory: it would stay until the next boot."""
    for folder in itertools.chain.from_iterable(
        Path(place).glob(f"{MEMORY_PREFIX}*") for place in {SHARED, tempfile.gettempdir()}
    ):
        owner = folder.name.removeprefix(MEMORY_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _unreadable(samples: list[Sample], errors: Mapping[str, str]) -> dict[str, Any]:
    found = [errors[s.digest] for s in samples if s.digest in errors]
    more = f" (and {len(found) - 1} more images)" if len(found) > 1 else ""
    return {"error_type": "DataError", "error": found[0] + more}


def _attempts(unit: ScoreUnit, part: PlannedPart, order: Order, inputs: Inputs) -> dict[str, Any]:
    """Try a part, at most twice.

    When its process died, once more in a fresh process, for an earlier part may be to blame. When memory ran
    out, once more with half the batch: that can change the last bits of its scores, so the record says it.
    """
    size = order.methods[part.method_key].batch_size
    outcome = _attempt(unit, part, order, inputs, size)
    kind = outcome.pop("kind", "")
    if kind == "memory" and size > 1:
        first, outcome = outcome["error"], _attempt(unit, part, order, inputs, size // 2)
        if "error" in outcome:
            outcome["error"] += f"; with half the batch, too (first: {first})"
        else:
            outcome["halved_batch"] = size // 2
    elif kind == "exited":
        outcome = _attempt(unit, part, order, inputs, size)
    else:
        return {**outcome, "attempts": 1}
    return {**outcome, "attempts": 2}


def _attempt(
    unit: ScoreUnit, part: PlannedPart, order: Order, inputs: Inputs, batch_size: int
) -> dict[str, Any]:
    child = CHILDREN.take(part.method_key, order.threads)
    try:
        reply = child.ask(message_for(unit, part, order, inputs, batch_size), order.limits)
    except ChildEnded as ended:
        return {
            "kind": ended.kind,
            "error_type": f"process {ended.kind}",
            "error": str(ended),
            "output": child.last_output,
        }
    except BaseException:
        child.close()
        raise
    if "error" in reply or has_children(child.process.pid):
        # It may have left anything behind in its process, or processes of its own: do not use it again.
        reply["output"] = child.last_output
        child.close()
    else:
        CHILDREN.give_back(part.method_key, order.threads, child)
    return reply


def message_for(
    unit: ScoreUnit, part: PlannedPart, order: Order, inputs: Inputs, batch_size: int
) -> dict[str, Any]:
    """What the process that runs adapter code is told of a part, and nothing else."""
    return {
        **inputs.message(part),
        "shots": part.shots,
        "batch_size": batch_size,
        "checkpoint": _checkpoint(part, order),
        "maps": str(inputs.folder / f"{part.part_id}-{MAPS}") if looks_at_maps(unit, order) else "",
        "info": order.methods[part.method_key].info,
        "options": json.loads(part.options),
        "category": unit.category,
        "text": unit.text,
        "seed": unit.seed,
    }


def _checkpoint(part: PlannedPart, order: Order) -> str:
    if not part.training:
        return ""
    found = trainings.find(Path(order.cache), part.training)
    if found is None:
        raise StoreError(f"the checkpoint of training {part.training} is gone from {order.cache}")
    return str(found)


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
