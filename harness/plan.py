"""Planning: grid -> jobs -> parts -> what is done, failed, new or impossible, and why.

Pure and light: it reads manifests and the list of recorded parts, computes keys and ids, and imports
nothing heavy. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping

from gad.harness.nouns import Grid
from gad.harness.planned import Only as Only
from gad.harness.planned import Plan as Plan
from gad.harness.planned import Source as Source
from gad.harness.planner import Planner
from gad.harness.registry import Registry


def make(
    grid: Grid,
    sources: Mapping[str, Source],
    registry: Registry,
    states: Mapping[str, str],
    *,
    auxiliary: Mapping[str, Source] | None = None,
    only: Only | None = None,
    most_jobs: int | None = None,
    lacking: Mapping[str, str] | None = None,
) -> Plan:
    """Expand a grid. ``states`` are the recorded parts' (``done`` or ``failed``); ``lacking`` says of some of
    them what the grid wants beside scores and is not recorded: they count as new.

    ``sources`` and ``auxiliary`` are by the names that datasets and auxiliary sets have in the grid.
    ``only`` keeps jobs by (model, dataset, K, seed); ``most_jobs`` keeps the first so many.
    """
    planner = Planner(grid, dict(sources), dict(auxiliary or {}), registry)
    asked = [
        planner.job(choice, dataset, shots, seed, training_seed)
        for dataset in grid.datasets
        for choice in grid.models
        for shots in grid.shots
        for seed in planner.seeds(dataset)
        for training_seed in planner.training_seeds(choice)
    ]
    jobs = [j for j in asked if only is None or only(j.model.name, j.dataset, j.shots, j.seed)]
    plan = Plan(
        grid=grid,
        jobs=tuple(jobs[:most_jobs]),
        asked=tuple(asked),
        states={},
        sources={source.name: source for source in sources.values()},
        prompt_sets=planner.prompt_sets,
        method_fields=planner.method_fields,
        column_fields=planner.column_fields,
        trainings=planner.trainings,
        auxiliary={source.name: source for source in planner.auxiliary.values()},
        absent=planner.absent,
    )
    again = lacking or {}
    for _, part in plan.parts():
        state = states.get(part.part_id, "new")
        plan.states[part.part_id] = "new" if state == "done" and part.part_id in again else state
    _explain(plan, again)
    return plan


def _explain(plan: Plan, again: Mapping[str, str]) -> None:
    """Count parts by (state, reason)."""
    missing = set(plan.missing)
    for job in plan.jobs:
        if job.invalid:
            state = "missing" if job.invalid in missing else "invalid"
            plan.reasons[state, job.invalid] += len(job.parts)
    unprepared = set(plan.unprepared)
    known = {"done": "already recorded", "failed": "failed earlier; --retry-failed runs it again"}
    for job, part in plan.parts():
        state = plan.states[part.part_id]
        reason = known.get(state, again.get(part.part_id, "not recorded yet"))
        if job.dataset in unprepared:
            reason = f"{job.dataset} is bundled and not prepared yet: submit prepares it"
        plan.reasons[state, reason] += 1
