"""Asking a supervised process for the scores of a part, and once more where that may help."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil

from gad.harness.errors import StoreError
from gad.harness.executor import trainings
from gad.harness.executor.inputs import Inputs
from gad.harness.executor.order import Order, looks_at_maps
from gad.harness.executor.supervise import Child, ChildEnded, has_children
from gad.harness.units import PlannedPart, ScoreUnit

IDLE_CHILDREN = 16  # more than the methods that usually share a unit; each holds some hundred MB
LEAST_FREE = 0.25  # of the machine's memory; with less, only the child that was used last stays
MAPS = "maps.npy"


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


def attempts(unit: ScoreUnit, part: PlannedPart, order: Order, inputs: Inputs) -> dict[str, Any]:
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
