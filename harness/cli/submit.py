"""`harness submit`."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from typing import Annotated

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
)
from gad.harness.cli.grids import load_grid, parse_only

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


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} jobs {status}" for status, count in counts.items()) or "no jobs"
