"""The cost of a plan as `harness plan` shows it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gad.harness.cli.common import printable

if TYPE_CHECKING:
    from gad.harness.estimate import Estimate, Rates
    from gad.harness.nouns import Grid
    from gad.harness.plan import Plan
    from gad.harness.registry import Registry


def small(grid: Grid) -> Grid:
    """The grid on so few test images as are enough to measure."""
    from gad.harness.executor.calibrate import IMAGES

    limits = grid.limits
    few = min(limits.test_images or IMAGES, IMAGES)
    return grid.model_copy(update={"limits": limits.model_copy(update={"test_images": few})})


def rates(results: Path, trial: Plan | None, known: Registry) -> Rates:
    """What was recorded in a results folder, or (with the plan of a :func:`small` grid) what is measured now.

    What cannot be measured beforehand, as a training that cannot be cut short, is taken from the records where there
    are any.
    """
    from gad.harness import estimate

    recorded = estimate.recorded(results)
    if trial is None:
        return recorded
    import torch

    from gad.harness.executor import calibrate
    from gad.harness.executor.order import Order
    from gad.harness.executor.submit import methods_of

    order = Order(
        run_id="",
        device="cuda" if torch.cuda.is_available() else "cpu",
        methods=methods_of(trial, known),
        limits=trial.grid.limits,
        threads=1,
        cache="",
    )
    measured = calibrate.measure(
        trial, order, known, lambda text: print(printable(text), file=sys.stderr, flush=True)
    )
    model = {**recorded.model, **measured.model}
    encode = {**recorded.encode, **measured.encode}
    train = {**recorded.train, **measured.train}
    return measured.model_copy(update={"train": train, "model": model, "encode": encode})


def rows(cost: Estimate) -> list[list[str]]:
    """Rows of the plan's table: time by stage, and what is not known of it."""
    from gad.harness.estimate import spelled

    known = cost.encode_seconds + cost.train_seconds + cost.score_seconds
    found = []
    if known:
        stages = [
            ("encode", cost.encode_seconds),
            ("train", cost.train_seconds),
            ("score", cost.score_seconds),
        ]
        found.append(
            [
                "time",
                f"about {spelled(cost.hours * 3600)} with {cost.workers} workers "
                f"({', '.join(f'{name} {spelled(seconds)}' for name, seconds in stages if seconds)} of worker time; "
                f"{cost.origin} on this machine)",
            ]
        )
        found.append(["GPU-hours", f"{cost.gpu_hours:g}"])
    if cost.unknown:
        why = (
            "not measured: data are not prepared, weights are not there, or training cannot be cut short"
            if cost.origin == "measured"
            else "--calibrate measures what it can"
        )
        found.append(["time unknown of", f"{', '.join(cost.unknown)} ({why})"])
    return found
