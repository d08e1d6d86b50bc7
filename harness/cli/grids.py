"""`harness submit` and `harness plan`."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gad.harness.cli.common import (
    CACHE,
    DATA,
    MOST_THREADS,
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

if TYPE_CHECKING:
    from pathlib import Path

    from gad.harness.estimate import Estimate
    from gad.harness.lacking import Lack
    from gad.harness.nouns import Grid
    from gad.harness.plan import Only, Plan
    from gad.harness.registry import Registry


MANY_JOBS = 1000


class Device(StrEnum):
    """Where encoders compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Features(StrEnum):
    """What becomes of the features of test images."""

    keep = "keep"
    stream = "stream"


def submit(
    grid: GridName,
    data: DataDir = DATA,
    results: ResultsDir = RESULTS,
    cache: CacheDir = CACHE,
    only: OnlyOption = "",
    limit: LimitOption = None,
    address: Annotated[str | None, typer.Option(help="A running Ray cluster; default: this machine.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=MOST_WORKERS, help="Workers on this machine; default: its cores.")
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, max=MOST_THREADS, help="Threads of each scoring process (recorded).")
    ] = 1,
    device: Annotated[
        Device, typer.Option(help="Where encoders compute; auto: on GPUs where the cluster has some.")
    ] = Device.auto,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed parts again.")] = False,
    features: Annotated[
        Features,
        typer.Option(help="Of test images: keep in the cache, or stream (never on disk, same scores)."),
    ] = Features.keep,
    max_failures: Annotated[
        str, typer.Option(help="Stop when more parts than this have failed: a number, or a share like 5%.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a thousand jobs or more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run what is missing of a grid; the same command resumes it."""
    from gad.harness.cli.looking import print_results, status_counts
    from gad.harness.executor.submit import Settings
    from gad.harness.executor.submit import submit as run

    loaded, _ = load_grid(grid, data)
    settings = Settings(
        data=data,
        results=results,
        cache=cache,
        address=address,
        workers=workers,
        threads=threads,
        device=device.value,
        retry_failed=retry_failed,
        stream=features is Features.stream,
        max_failures=parse_failures(max_failures),
        only=parse_only(only, loaded),
        most_jobs=limit,
        command=shlex.join(["harness", *sys.argv[1:]]),
        confirm=None if yes else confirm_many,
    )
    outcome = run(loaded, settings)
    counts = status_counts(outcome.states.values())
    if not outcome.new_parts:
        print(f"nothing to do: {_words(counts)}", file=sys.stderr)
    elif outcome.stopped:
        print(f"stopped: {_words(counts)}; the same command goes on", file=sys.stderr)
    else:
        print(f"finished: {_words(counts)}", file=sys.stderr)
    if as_json:
        print_json({"jobs": len(outcome.states), **counts, "new_parts": outcome.new_parts})
    else:
        print_results(results, {job.method_key for job in outcome.plan.jobs})
    if counts.get("failed"):
        print(
            "failed parts: `harness results --by job` names them, --retry-failed runs them again",
            file=sys.stderr,
        )
    raise typer.Exit(outcome.exit_code)


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


def load_grid(name: str, data: Path) -> tuple[Grid, Registry]:
    """A grid by file or shipped name, checked against every known model and dataset, those in ``data`` too."""
    from gad.datasets import catalog, own
    from gad.harness import gridfile, registry

    known = registry.load()
    return gridfile.load(name, gridfile.Known(known.infos, {**own.prepared(data), **catalog.DATASETS})), known


def confirm_many(jobs: int) -> None:
    """Ask before a thousand jobs or more, which may be an accident; without a terminal, refuse."""
    from gad.harness.errors import UsageError

    if jobs < MANY_JOBS:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        if typer.confirm(f"{jobs:,} jobs are to run. Go on?", err=True):
            return
        raise UsageError("nothing was started", fix="--only and --limit keep a part of a grid.")
    raise UsageError(
        f"{jobs:,} jobs are to run; that may be an accident, so nothing was started",
        fix="--yes runs them; --only and --limit keep a part of the grid; `harness plan` counts them.",
    )


def parse_failures(text: str) -> float | None:
    """``20`` (parts) or ``5%`` as a number of parts, or as a fraction below 1. UsageError for anything else."""
    from gad.harness.errors import UsageError

    if not text:
        return None
    number, percent = text.removesuffix("%"), text.endswith("%")
    try:
        value = float(number) / 100 if percent else float(int(number))
    except ValueError:
        value = -1.0
    if not (0 <= value < 1 if percent else value >= 0):
        raise UsageError(
            f"--max-failures {text!r} is neither a number of parts nor a share below 100%",
            fix="For example --max-failures 20, or --max-failures 5%.",
        )
    return value


def parse_only(text: str, grid: Grid) -> Only | None:
    """`model=a,dataset=b,shots=4,seed=0` as a predicate; a name may be given several times (either fits).

    A folder is named by its last name, as its dataset is. UsageError for what the grid does not have.
    """
    from pathlib import Path

    from gad.harness import promptfiles
    from gad.harness.errors import UsageError, did_you_mean

    if not text:
        return None
    imported = [seed for path in grid.prompts.values() for seed in promptfiles.read(Path(path)).seeds]
    known = {
        "model": [choice.name for choice in grid.models],
        "dataset": [_dataset_name(name) for name in grid.datasets],
        "shots": [str(shots) for shots in grid.shots],
        "seed": [str(seed) for seed in dict.fromkeys([*grid.seeds, *imported])],
    }
    wanted: dict[str, set[str]] = {}
    for item in text.split(","):
        name, equals, value = (word.strip() for word in item.partition("="))
        if name not in known or not equals:
            hint = did_you_mean(name, list(known))
            raise UsageError(
                f"--only {item!r} is not NAME=VALUE with a name of {', '.join(known)}.{hint}",
                fix="For example --only model=pixel-knn,shots=4.",
            )
        if value not in known[name]:
            raise UsageError(
                f"--only {item!r}: grid {grid.name!r} has no {name} {value!r}.{did_you_mean(value, known[name])}",
                fix=f"Its {name} is one of {', '.join(dict.fromkeys(known[name]))}.",
            )
        wanted.setdefault(name, set()).add(value)

    def fits(model: str, dataset: str, shots: int, seed: int) -> bool:
        job = {"model": model, "dataset": dataset, "shots": str(shots), "seed": str(seed)}
        return all(job[name] in values for name, values in wanted.items())

    return fits


def _dataset_name(name: str) -> str:
    """The name of a grid's dataset: the catalog's, or the folder's, as `gad.datasets.own` has it."""
    import unicodedata
    from pathlib import Path

    from gad.datasets.prepare import is_path

    return unicodedata.normalize("NFC", Path(name).resolve().name) if is_path(name) else name


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} jobs {status}" for status, count in counts.items()) or "no jobs"
