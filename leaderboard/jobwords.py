"""What a job is called, and the command that runs it again. Pure."""

from __future__ import annotations

import shlex
from typing import Any

import pandas as pd

from gad.leaderboard.perframe import per_frame
from gad.leaderboard.text import visible


@per_frame
def names(jobs: pd.DataFrame) -> dict[str, str]:
    """What each job is called in a list, by its id."""
    found = {}
    for job in jobs.itertuples():
        training = "" if pd.isna(job.training_seed) else f"/training{int(job.training_seed)}"
        name = f"{job.model}/{job.dataset}/K{job.shots}/seed{job.seed}{training} · {job.job_id[:6]}"
        found[job.job_id] = visible(name)
    return found


def rerun(job: Any, command: str) -> str:
    """The command of its run, narrowed to this job."""
    words = shlex.split(command) if command else []
    grid = next((words[i + 1] for i, word in enumerate(words[:-1]) if word in ("--grid", "-g")), "GRID")
    only = f"model={job.model},dataset={job.dataset},shots={job.shots},seed={job.seed}"
    again = " --retry-failed" if job.status == "failed" else ""
    return visible(f"harness submit --grid {shlex.quote(grid)} --only {shlex.quote(only)}{again}")
