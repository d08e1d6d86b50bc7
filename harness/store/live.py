"""Progress of a run that is going on: a small file, replaced about once a second, lost without harm."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from gad.harness.store.layout import Layout

STALE_S = 30.0  # a run that has not written for so long is no longer alive


def write(results: Path, run_id: str, fields: dict[str, Any]) -> None:
    """Publish progress. Best effort by design: no fsync, and a full disk must not stop a run."""
    path = Layout(results).live / f"{run_id}.json"
    temporary = path.with_suffix(".new")
    content = {
        **fields,
        "run_id": run_id,
        "beat": time.time(),
        "pid": os.getpid(),
        "host": socket.gethostname(),
    }
    try:
        temporary.write_text(json.dumps(content))
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)


def read_all(results: Path) -> list[dict[str, Any]]:
    """Progress of every run on record, newest first, each with ``alive``."""
    found = []
    for path in sorted(Layout(results).live.glob("*.json"), reverse=True):
        try:
            fields = json.loads(path.read_text())
        except (OSError, ValueError):
            continue  # being replaced, or left half-written by a crash: it is only progress
        if not isinstance(fields, dict) or not isinstance(fields.get("beat", 0.0), int | float):
            continue  # not ours
        fields["alive"] = _alive(fields)
        found.append(fields)
    return found


def _alive(fields: dict[str, Any]) -> bool:
    if fields.get("ended") or time.time() - fields.get("beat", 0) > STALE_S:
        return False
    if fields.get("host") != socket.gethostname():
        return True
    return Path(f"/proc/{fields.get('pid')}").exists()


def running_jobs(results: Path) -> set[str]:
    """Ids of jobs that a living run is working on."""
    return {job for fields in read_all(results) if fields["alive"] for job in fields.get("running_jobs", [])}
