"""What differs between two recorded jobs: plan, keys' fields, environment, results. Light: duckdb only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gad.harness.errors import UsageError, did_you_mean
from gad.harness.store import read

PLAIN = (
    "model",
    "dataset",
    "protocol",
    "shots",
    "seed",
    "training_seed",
    "test_images",
    "method_key",
    "column_key",
)
RESULTS = ("status", "auroc", "auprc", "f1_max", "fpr95", "seconds", "error")
ABSENT = "absent"
Line = tuple[str, str, str]


def find(results: Path, wanted: str) -> dict[str, Any]:
    """The recorded job of an id or a name (of several of one name, the latest). UsageError if there is none."""
    with read.connect(results) as connection:
        rows = read.query(
            connection,
            f"SELECT j.*, r.* EXCLUDE (job_id, name, {', '.join(PLAIN)}, options, last_run) "  # noqa: S608
            f"FROM jobs j JOIN {read.source(connection, 'job')} r USING (job_id) "
            "WHERE j.job_id = ? OR j.name = ? ORDER BY j.last_run DESC LIMIT 1",
            [wanted, wanted],
        )
        names = [] if rows else [name for (name,) in connection.execute("SELECT name FROM jobs").fetchall()]
    if not rows:
        raise UsageError(
            f"no recorded job {wanted!r}.{did_you_mean(wanted, names)}",
            fix="`harness results --by job` lists them.",
        )
    return rows[0]


def difference(results: Path, first: str, second: str) -> list[Line]:
    """What differs, as (field, of the first, of the second), fields of keys by their dotted path."""
    a, b = (fields(results, find(results, wanted)) for wanted in (first, second))
    names = dict.fromkeys([*a, *b])
    return [(name, a.get(name, ABSENT), b.get(name, ABSENT)) for name in names if a.get(name) != b.get(name)]


def fields(results: Path, job: dict[str, Any]) -> dict[str, str]:
    """Everything recorded of a job by name, as text."""
    found: dict[str, Any] = {name: job[name] for name in PLAIN}
    found |= dict(flat("options", json.loads(job["options"])))
    found |= dict(flat("method", json.loads(job["method_fields"])))
    found |= dict(flat("column", json.loads(job["column_fields"])))
    with read.connect(results) as connection:
        rows = connection.execute(
            "SELECT key, value FROM environment WHERE run_id = ? ORDER BY key", [job["last_run"]]
        ).fetchall()
        prompts = connection.execute(
            "SELECT jp.category, list(q.sample_id ORDER BY q.position) "
            "FROM job_parts jp JOIN prompts q USING (part_id) WHERE jp.job_id = ? GROUP BY ALL ORDER BY ALL",
            [job["job_id"]],
        ).fetchall()
    found |= {f"environment.{key}": value for key, value in rows}
    found |= {f"prompts.{category}": ", ".join(names) for category, names in prompts}
    found |= {name: job[name] for name in RESULTS}
    return {name: spelled(value) for name, value in found.items()}


def flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings by their dotted path.

    >>> dict(flat("method", {"a": {"b": 1}, "c": [2]}))
    {'method.a.b': 1, 'method.c': [2]}
    """
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(f"{name}.{key}" if name else str(key), inner)
    else:
        yield name, value


def spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
