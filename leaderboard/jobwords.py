"""What a job is called, and the command that runs it again. Pure."""

from __future__ import annotations

import shlex
from typing import Any

import pandas as pd

from gad.leaderboard.text import visible

RESULTS = "gad-results"  # what the command line takes when nobody says otherwise
DROPPED = ("--retry-failed", "--yes", "-y")
REPLACED = ("--only", "--limit", "--results")  # each with a value


def name(job: Any) -> str:
    """What a job is called in a heading."""
    training = "" if pd.isna(job.training_seed) else f"/training{int(job.training_seed)}"
    return visible(f"{job.model}/{job.dataset}/K{job.shots}/seed{job.seed}{training} · {job.job_id[:6]}")


def rerun(job: Any, command: str) -> str:
    """The command of its run, narrowed to this job; one that is done is kept where it is, so it goes elsewhere.

    >>> from types import SimpleNamespace
    >>> job = SimpleNamespace(model="knn", dataset="d", shots=2, seed=0, status="failed")
    >>> rerun(job, "harness submit --grid g.yaml --data D --only model=knn --limit 3")
    'harness submit --grid g.yaml --data D --only model=knn,dataset=d,shots=2,seed=0 --retry-failed'
    >>> job.status = "done"
    >>> rerun(job, "harness submit --grid=g.yaml --results R")
    'harness submit --grid=g.yaml --only model=knn,dataset=d,shots=2,seed=0 --results R-again'
    """
    words = shlex.split(command) or ["harness", "submit", "--grid", "GRID"]
    results = RESULTS
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if flag in DROPPED:
            continue
        if flag not in REPLACED:
            kept.append(word)
            continue
        value = value if equals else next(rest, "")
        results = value if flag == "--results" else results
    only = f"model={job.model},dataset={job.dataset},shots={job.shots},seed={job.seed}"
    where = results.rstrip("/") + "-again" if job.status == "done" else results
    kept += ["--only", only]
    kept += ["--retry-failed"] if job.status == "failed" else []
    kept += ["--results", where] if where != RESULTS else []
    return visible(shlex.join(kept))


def rerun_note(job: Any, jobs: pd.DataFrame) -> str:
    """What else is to be said of that command. ``jobs``: all there are."""
    alike = jobs[(jobs["model"] == job.model) & (jobs["dataset"] == job.dataset)]
    alike = alike[(alike["shots"] == job.shots) & (alike["seed"] == job.seed)]
    said = (
        ["Into a folder of its own: where a job is done, it is not run again."]
        if job.status == "done"
        else []
    )
    if len(alike) > 1:
        said.append(
            f"With it go the {job.model} jobs on the same prompts that differ in options or training seed."
        )
    return " ".join(said)
