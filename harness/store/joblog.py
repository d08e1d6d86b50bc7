"""The log of one job: what it ran on, where, for how long, how it ended, and the command that runs it again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from gad.harness.errors import UsageError, did_you_mean
from gad.harness.store import read

PART = (
    "category, p.status, p.attempts, p.halved_batch, p.run_id, p.node, p.pid, p.threads, p.peak_memory_mb, "
    "p.started, p.ended, p.seconds, p.segment, f.error_type, f.error, f.traceback, f.output"
)


def of(results: Path, job: str) -> list[dict[str, Any]]:
    """Logs of the jobs of that name or id (several when options differ), latest first.

    Each has the job's fields, ``command``, and ``parts``: one entry for every category, in name order; of a
    failed part its last failure with traceback and output. Raises UsageError for a job that is not recorded.
    """
    with read.connect(results) as connection:
        found = read.query(
            connection,
            "SELECT job_id, r.name, r.model, r.options, r.dataset, r.shots, r.seed, r.training_seed, r.status, "
            "r.n_parts, r.n_done, r.n_failed, r.last_run AS run, runs.command FROM job_results r "
            "LEFT JOIN runs ON runs.run_id = r.last_run WHERE r.name = ? OR r.job_id = ? "
            "ORDER BY r.last_run DESC, job_id",
            [job, job],
        )
        if not found:
            names = connection.execute("SELECT DISTINCT name FROM jobs ORDER BY name").fetchall()
            known = [name for (name,) in names]
            raise UsageError(
                f"no job {job!r} is recorded in {results}.{did_you_mean(job, known)}",
                fix="`harness results --by job --json` lists them.",
            )
        for row in found:
            row["options"] = json.loads(row["options"])
            row["command"] = again(row)
            row["parts"] = _parts(connection, row["job_id"])
    return found


def _parts(connection: Any, job_id: str) -> list[dict[str, Any]]:
    rows = read.query(
        connection,
        f"SELECT jp.{PART} FROM job_parts jp LEFT JOIN parts p USING (part_id) "  # noqa: S608
        "LEFT JOIN (SELECT * FROM failures QUALIFY row_number() OVER (PARTITION BY part_id ORDER BY ended DESC) = 1"
        ") f ON f.part_id = jp.part_id AND p.status = 'failed' WHERE jp.job_id = ? ORDER BY jp.category",
        [job_id],
    )
    return [{**row, "status": row["status"] or "planned"} for row in rows]


def again(job: dict[str, Any]) -> str:
    """The command of the job's last run, narrowed to this job, with failed parts run again."""
    words, kept = shlex.split(job["command"] or "harness submit"), []
    skip = False
    for word in words:
        if skip or word == "--retry-failed" or word.startswith(("--only=", "--limit=")):
            skip = False
            continue
        if word in ("--only", "--limit"):
            skip = True
            continue
        kept.append(word)
    only = ",".join(f"{name}={job[name]}" for name in ("model", "dataset", "shots", "seed"))
    return shlex.join([*kept, "--only", only, "--retry-failed"])
