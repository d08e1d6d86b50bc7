"""`harness plan`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gad.harness.cli.common import (
    CACHE,
    DATA,
    MOST_WORKERS,
    RESULTS,
    AsJson,
    CacheDir,
    DataDir,
    GridName,
    LimitOption,
    OnlyOption,
    ResultsDir,
    print_json,
    print_table,
    printable,
)
from gad.harness.cli.grids import load_grid, parse_only

if TYPE_CHECKING:
    from gad.harness.estimate import Estimate
    from gad.harness.lacking import Lack
    from gad.harness.plan import Plan


def plan(
    grid: GridName,
    data: DataDir = DATA,
    results: ResultsDir = RESULTS,
    cache: CacheDir = CACHE,
    only: OnlyOption = "",
    limit: LimitOption = None,
    explain: Annotated[
        str, typer.Option(help="A job's name or id: say what changed since it was last recorded.")
    ] = "",
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Measure this machine on a few images for the estimate of time."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_WORKERS, help="Workers to estimate the time for; default: this machine's cores."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What a submit would do, and why; nothing is computed (but with --calibrate)."""
    from gad.harness import estimate, lacking, plandisk
    from gad.harness.cli import estimating
    from gad.harness.executor.submit import Settings, make_plan
    from gad.harness.plancost import encode_images, trainings_left

    loaded, known = load_grid(grid, data)
    settings = Settings(
        data=data, results=results, cache=cache, only=parse_only(only, loaded), most_jobs=limit
    )
    # What is not there cannot be measured.
    made = make_plan(loaded, settings, known, prepare_bundled=calibrate)
    if explain:
        from gad.harness.explain import explain as explained

        lines = explained(made, explain, results)
        print_json(lines) if as_json else print("\n".join(map(printable, lines)))
        return
    missing = lacking.find(made)
    summary = _summary(made, encode_images(made, cache), trainings_left(made, cache), missing)
    trial = None
    if calibrate:
        every = replace(settings, most_jobs=None)
        trial = make_plan(estimating.small(loaded), every, known, prepare_bundled=False)
    rates = estimating.rates(results, trial, known)
    cost = estimate.estimate(made, rates, cache, workers or len(os.sched_getaffinity(0)))
    summary |= {
        "estimate": cost.model_dump(),
        "feature_bytes": plandisk.feature_bytes(made, cache),
        "free_bytes": plandisk.free_bytes(cache),
    }
    if as_json:
        print_json(summary)
    else:
        _print_plan(made, summary, cost, missing)


def _print_plan(made: Plan, summary: dict[str, Any], cost: Estimate, missing: list[Lack]) -> None:
    """The counts with what they cost, the reasons, and (in a table of its own) what is missing."""
    from gad.harness import plandisk
    from gad.harness.cli import estimating

    aside = ("reasons", "missing", "estimate", "feature_bytes", "free_bytes")
    called = {"zero_shot_jobs": "jobs of K = 0 (zero-shot)"}
    rows = [[called.get(name, name), str(value)] for name, value in summary.items() if name not in aside]
    needed, free = (plandisk.gigabytes(summary[name]) for name in ("feature_bytes", "free_bytes"))
    rows.append(["features to keep", f"{needed} ({free} are free)"])
    if made.count("new"):
        rows += estimating.rows(cost)
    print_table(["grid " + made.grid.name, ""], rows)
    reasons = [r for r in summary["reasons"] if r["state"] != "missing"]
    if reasons:
        print_table(
            ["state", "parts", "reason"], [[r["state"], str(r["parts"]), r["reason"]] for r in reasons]
        )
    if missing:
        print_table(["missing", "parts", ""], [[lack.name, str(lack.parts), lack.text] for lack in missing])


def _summary(made: Plan, images: int, trainings: int, missing: list[Lack]) -> dict[str, Any]:
    """``invalid`` are all that cannot run now, also those that wait for what is missing; ``zero_shot_jobs``,
    those of K = 0, are left out where there are none."""
    invalid = [job for job in made.jobs if job.invalid]
    zero_shot = sum(job.shots == 0 for job in made.jobs)
    return {
        "jobs": len(made.jobs),
        **({"zero_shot_jobs": zero_shot} if zero_shot else {}),
        "parts": len(made.parts()) + sum(len(job.parts) for job in invalid),
        "done": made.count("done"),
        "failed": made.count("failed"),
        "new": made.count("new"),
        "invalid": sum(len(job.parts) for job in invalid),
        "invalid_jobs": len(invalid),
        "encode_images": images,
        "train": trainings,
        "reasons": [
            {"state": state, "reason": reason, "parts": count}
            for (state, reason), count in made.reasons.items()
        ],
        "missing": [lack.model_dump() for lack in missing],
    }
