"""Why a job would run: which field of which key differs from the last recorded job of the same name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gad.harness.errors import UsageError, did_you_mean
from gad.harness.nouns import Job
from gad.harness.plan import Plan
from gad.harness.store import manifests, read, recorded
from gad.harness.store.jobdiff import flat
from gad.harness.store.layout import Layout

MOST = 5  # ids that a line names


def explain(plan: Plan, wanted: str, results: Path) -> list[str]:
    """Lines of plain text about the job ``wanted`` (its name as in `pixel-knn/textures/K4/seed0`, or its id).

    Raises UsageError for a job that the grid does not have.
    """
    jobs = [job for job in plan.asked if wanted in (job.name, job.job_id)]
    if not jobs:
        names = [job.name for job in plan.asked]
        raise UsageError(
            f"no job {wanted!r} in grid {plan.grid.name!r}.{did_you_mean(wanted, names)}",
            fix=f"For example {names[0]}." if names else "",
        )
    return [line for job in jobs for line in _job(plan, job, results)]


def _job(plan: Plan, job: Job, results: Path) -> Iterator[str]:
    yield f"{job.name} ({job.job_id})"
    if job.invalid:
        yield f"  cannot run: {job.invalid}"
        return
    states = [plan.states.get(part.part_id, "not selected") for part in job.parts]
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    yield f"  {len(job.parts)} parts: {', '.join(f'{n} {state}' for state, n in counts.items())}"
    before = _before(job, results)
    if before is None:
        yield "  no earlier job of this name is recorded"
        return
    if before["job_id"] == job.job_id:
        yield "  the same job is recorded already: nothing that it depends on has changed"
        lacking = recorded.lacking(results, plan.grid)
        reasons = Counter(lacking[part.part_id] for part in job.parts if part.part_id in lacking)
        yield from (f"  {count} parts: {reason}" for reason, count in reasons.items())
        return
    yield f"  the last recorded job of this name is {before['job_id']}; since then:"
    yield from _differences("method", json.loads(before["method_fields"]), plan.method_fields[job.method_key])
    yield from _data(plan, job, json.loads(before["column_fields"]), results)
    yield from _prompts(plan, job, before["job_id"], results)


def _before(job: Job, results: Path) -> dict[str, Any] | None:
    """The recorded job of the same id, else the latest of the same name, the same options first."""
    if not Layout(results).published.is_file():
        return None
    with read.connect(results) as connection:
        rows = read.query(
            connection,
            "SELECT job_id, options, method_fields, column_fields FROM jobs WHERE name = ? "
            "ORDER BY job_id = ? DESC, method_key = ? DESC, options = ? DESC, last_run DESC LIMIT 1",
            [job.name, job.job_id, job.method_key, json.dumps(job.model.options, sort_keys=True)],
        )
    return rows[0] if rows else None


def _differences(what: str, old: Any, new: Any) -> Iterator[str]:
    """One line for every field, by its dotted path."""
    before, after = (dict(flat("", json.loads(json.dumps(fields)))) for fields in (old, new))
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            was, now = (_shown(values[name]) if name in values else "absent" for values in (before, after))
            yield f"  {what}: {name} was {was}, is {now}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _data(plan: Plan, job: Job, old: dict[str, Any], results: Path) -> Iterator[str]:
    """What changed in the column: files of the dataset by name where its old manifest was kept."""
    new = plan.column_fields[job.column_key]
    for line in _differences("column", old, new):
        if "fingerprint" not in line:
            yield line
    if old.get("fingerprint") == new["fingerprint"]:
        return
    prepared = plan.sources[job.dataset].prepared
    assert prepared is not None
    before = manifests.read(results, old["fingerprint"])
    if before is None:
        yield "  data: other files than before (the earlier manifest was not kept)"
        return
    after = {(row["category"], row["id"]): row for row in manifests.rows(prepared.manifest_path)}
    yield from _files("added", [key for key in after if key not in before], after)
    yield from _files("removed", [key for key in before if key not in after], before)
    changed = [key for key in after if key in before and after[key] != before[key]]
    yield from _files("changed", changed, after)


Rows = dict[tuple[str, str], dict[str, Any]]


def _files(what: str, keys: list[tuple[str, str]], rows: Rows) -> Iterator[str]:
    """One line for every category, split and defect."""
    groups: dict[str, list[str]] = {}
    for category, name in keys:
        row = rows[category, name]
        place = f"{category}/{row['split']}/{row['defect'] or 'good'}"
        groups.setdefault(place, []).append(name)
    for place, names in groups.items():
        yield f"  data: {len(names)} {'file' if len(names) == 1 else 'files'} {what} in {place} ({_some(names)})"


def _prompts(plan: Plan, job: Job, before: str, results: Path) -> Iterator[str]:
    with read.connect(results) as connection:
        rows = connection.execute(
            "SELECT jp.category, q.sample_id FROM job_parts jp JOIN prompts q USING (part_id) "
            "WHERE jp.job_id = ? ORDER BY jp.category, q.position",
            [before],
        ).fetchall()
    old: dict[str, list[str]] = {}
    for category, sample in rows:
        old.setdefault(category, []).append(sample)
    for part in job.parts:
        was, now = old.get(part.category), list(part.prompts)
        if was is not None and was != now:
            drawn = f"{_some(now)}; before: {_some(was)}"
            yield f"  prompts: seed {job.seed} draws other images of {part.category}: {drawn}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more
