"""Run files: what each submit planned, written once before anything is computed.

A run's id is the time it started plus a hash of its content, so a damaged file is noticed.
"""

from __future__ import annotations

import calendar
import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

from gad.harness import atomic
from gad.harness.ids import canonical
from gad.harness.nouns import Grid, Job
from gad.harness.store.layout import Layout


def write(
    results: Path,
    *,
    grid: Grid,
    jobs: tuple[Job, ...],
    method_fields: dict[str, Any],
    column_fields: dict[str, Any],
    environment: dict[str, str],
    command: str,
    version: str,
) -> str:
    """Record a run durably and return its id. ``*_fields`` map each key to what went into it."""
    started = time.time()
    content = canonical(
        {
            "started": started,
            "grid": grid.name,
            "spec": grid.model_dump(mode="json"),
            "command": command,
            "version": version,
            "environment": environment,
            "method_fields": method_fields,
            "column_fields": column_fields,
            "jobs": [_job(job, grid) for job in jobs],
        }
    )
    Layout(results).make()
    run_id = f"{_stamp(results, started)}-{_hash(content)}"
    atomic.write_bytes(Layout(results).runs / f"{run_id}.json", content)
    return run_id


def _stamp(results: Path, started: float) -> str:
    """The time as text, later than that of every run here: a clock that was set back must not reorder them."""
    names = (path.name.partition("-")[0] for path in Layout(results).runs.glob("*.json"))
    known = [name for name in names if re.fullmatch(r"\d{8}T\d{9}", name)]
    if known:
        day, millis = max(known)[:15], int(max(known)[15:])
        newest = calendar.timegm(time.strptime(day, "%Y%m%dT%H%M%S")) * 1000 + millis
        started = max(started, (newest + 1) / 1000)
    whole = round(started * 1000)
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(whole // 1000)) + f"{whole % 1000:03d}"


def _job(job: Job, grid: Grid) -> dict[str, Any]:
    fields = job.model_dump(mode="json", exclude={"parts", "model"})
    return {
        **fields,
        "name": job.name,
        "model": job.model.name,
        "options": json.dumps(job.model.options, sort_keys=True),
        "test_images": grid.limits.test_images,
        "parts": [[part.category, part.part_id] for part in job.parts],
    }


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def read(path: Path) -> dict[str, Any] | None:
    """Content of a run file, or None when it does not match its name (damaged)."""
    content = path.read_bytes()
    if path.stem.partition("-")[2] != _hash(content):
        return None
    fields: dict[str, Any] = json.loads(content)
    return fields
