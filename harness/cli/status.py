"""`harness status`: how far runs are, what they spend, what failed, and the log of one job."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gad.harness.cli.common import RESULTS, AsJson, ResultsDir, print_json, print_table, printable

SHOWN_FAILURES = 20
FAILURE = ("part_id", "model", "dataset", "category", "shots", "seed", "attempts", "error_type", "error")


def status(
    results: ResultsDir = RESULTS,
    watch: Annotated[bool, typer.Option("--watch", help="Look again until no run is going on.")] = False,
    every: Annotated[float, typer.Option(min=0.2, max=86400, help="Seconds between looks.")] = 2.0,
    job: Annotated[
        str, typer.Option(help="A job's name or id: its log, and the command that runs it again.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """How far the runs are: jobs by status, runs that are going on, throughput, what sharing saved."""
    if math.isnan(every):  # which is in every range
        from gad.harness.errors import UsageError

        raise UsageError("--every nan is not a number of seconds", fix="For example --every 2.")
    if job:
        _job(results, job, as_json)
        return
    while True:
        found = gathered(results)
        going = bool(found["runs"])
        if as_json and watch:
            print(json.dumps(found, ensure_ascii=False), flush=True)  # one line for each look
        elif as_json:
            print_json(found)
        else:
            if watch and sys.stdout.isatty():
                print("\x1b[2J\x1b[H", end="")  # clears the screen
            _show(results, found)
        if not watch or not going:
            return
        time.sleep(every)


def gathered(results: Path) -> dict[str, Any]:
    """Everything that is shown, from the database and the progress of living runs."""
    from gad.harness.cli.looking import status_counts
    from gad.harness.store import live, read, stages

    jobs = status_counts(row["status"] for row in read.results(results, "job"))
    failed = read.failures(results) if jobs.get("failed") else []
    return {
        "jobs": jobs,
        "runs": [fields for fields in live.read_all(results) if fields["alive"]],
        "stages": stages.throughput(results),
        "shared": stages.shared(results),
        "halved": read.halved(results),
        "failures": [{name: failure[name] for name in FAILURE} for failure in failed],
    }


def _show(results: Path, found: dict[str, Any]) -> None:
    from gad.harness.cli.looking import print_halved

    if not found["jobs"] and not found["runs"]:
        print(f"no results in {results} yet; `harness submit --grid demo` makes some", file=sys.stderr)
        return
    print_table(["jobs", ""], [[word, str(count)] for word, count in found["jobs"].items()])
    for run in found["runs"]:
        print(printable(f"run {run['run_id']}: {_progress(run)}"))
    if found["stages"]:
        columns = ["stage", "tasks", "images", "worker s", "images per worker s"]
        print_table(columns, [_stage(row) for row in found["stages"]])
    for row in found["shared"]:
        print(
            printable(
                f"{row['backbone']}: {row['made']} image passes instead of {row['wanted']}: "
                f"{row['saved']} avoided by shared features"
            )
        )
    print_halved(found["halved"])
    for failure in found["failures"][:SHOWN_FAILURES]:
        names = [failure[name] for name in ("model", "dataset", "category")]
        where = "/".join([*names, f"K{failure['shots']}", f"seed{failure['seed']}"])
        print_table([f"failed: {where}"], [[f"{failure['error_type']}: {failure['error']}"]])


def _progress(run: dict[str, Any]) -> str:
    from gad.harness.estimate import spelled

    score, left = run["score"], run.get("seconds_left")
    train = run.get("train", {"total": 0})
    remaining = "" if left is None else f", about {spelled(left)} left"
    trained = f"{train['done']} of {train['total']} trained, " if train["total"] else ""
    return (
        f"{run['encode']['done']} of {run['encode']['total']} images encoded, {trained}"
        f"{score['done']} done, {score['failed']} failed of {score['total']} parts, "
        f"{run['images_per_second']:.0f} images/s{remaining}"
    )


def _stage(row: dict[str, Any]) -> list[str]:
    name = f"{row['stage']} {row['backbone']}".strip()
    rate = row["images_per_worker_second"]
    numbers = [str(row["tasks"]), str(row["images"]), f"{row['worker_seconds']:.1f}"]
    return [name, *numbers, "-" if rate is None else f"{rate:.1f}"]


def _job(results: Path, job: str, as_json: bool) -> None:
    from gad.harness.store import joblog

    logs = joblog.of(results, job)
    if as_json:
        print_json(logs)
        return
    for log in logs:
        print_table([f"job {log['name']} ({log['job_id']})", ""], _fields(log))
        columns = ["category", "status", "attempts", "node", "pid", "seconds", "MB", "error"]
        print_table(columns, [_part(part) for part in log["parts"]])
        # Not in a table: lines are to be copied whole.
        print(printable(f"to run it again: {log['command']}"))


def _fields(log: dict[str, Any]) -> list[list[str]]:
    shown = ("status", "n_parts", "n_done", "n_failed", "options", "run")
    return [[name, str(log[name])] for name in shown]


def _part(part: dict[str, Any]) -> list[str]:
    if part["status"] == "planned":
        return [part["category"], "planned", *["-"] * 6]
    error = f"{part['error_type']}: {part['error']}\n{part['traceback'] or ''}" if part["error"] else "-"
    cells = [part["attempts"], part["node"][:8], part["pid"], f"{part['seconds']:.2f}"]
    return [
        part["category"],
        part["status"],
        *map(str, cells),
        f"{part['peak_memory_mb']:.0f}",
        error.strip(),
    ]
