"""From a grid to results: plan, refuse or run what is missing, and tell how it ended."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gad.harness import lacking, registry, sources, units, version
from gad.harness import plan as planning
from gad.harness import work as making
from gad.harness.errors import DataError, UsageError
from gad.harness.executor import room, setaside, trainings
from gad.harness.nouns import FeatureInput, Grid, Job, most_maps
from gad.harness.plan import Only, Plan
from gad.harness.store import ingest, manifests, read, recorded, runs, segments
from gad.harness.store.layout import Layout

if TYPE_CHECKING:
    from gad.harness.executor.order import Method, Order
    from gad.harness.executor.progress import Progress


@dataclass(frozen=True)
class Settings:
    """Where and how a grid runs; none of it changes a score.

    ``max_failures``: stop when so many parts have failed; below 1 it is a fraction of the parts to run.
    ``confirm`` is called with the number of jobs that are about to run; it raises to refuse.
    """

    data: Path
    results: Path
    cache: Path
    address: str | None = None
    workers: int | None = None
    threads: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    retry_failed: bool = False
    stream: bool = False
    max_failures: float | None = None
    only: Only | None = None
    most_jobs: int | None = None
    command: str = ""
    confirm: Callable[[int], None] | None = None


@dataclass
class Outcome:
    """How a submit ended. ``states`` maps the grid's job ids to a status word."""

    plan: Plan
    new_parts: int
    stopped: bool = False
    states: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        if self.stopped:
            return 1
        return 0 if all(state == "done" for state in self.states.values()) else 3


def submit(grid: Grid, settings: Settings) -> Outcome:
    """Run what is missing of a grid. Raises HarnessError before anything is spent if it cannot be run."""
    with setaside.named(settings.cache):
        return _submit(grid, settings)


def _submit(grid: Grid, settings: Settings) -> Outcome:
    room.for_results(Layout(settings.results))
    _heal(settings.results)
    known = registry.load()
    plan = make_plan(grid, settings, known, prepare_bundled=True)
    if plan.missing or (settings.address is None and any(lacking.gone(plan))):
        texts = [lack.text for lack in lacking.find(plan)]
        raise DataError("missing:\n  " + "\n  ".join(texts), fix="Nothing was started.")
    if settings.stream and grid.resize == "tile":
        raise UsageError(
            "images in tiles (`resize: tile`) cannot be streamed",
            fix="Leave --features stream away; nothing was started.",
        )
    room.for_features(plan, settings.cache, stream=settings.stream)
    wanted = frozenset({"new", "failed"} if settings.retry_failed else {"new"})
    work = making.make(
        plan,
        wanted,
        lambda name: trainings.find(settings.cache, name) is not None,
        stream=settings.stream,
    )
    if work.train or any(isinstance(unit.input, FeatureInput) for unit in work.encode.values()):
        room.for_cache(settings.cache)
    outcome = Outcome(plan, new_parts=work.parts)
    if settings.confirm is not None:
        to_run = {part.part_id for unit in work.score for part in unit.parts}
        settings.confirm(sum(any(part.part_id in to_run for part in job.parts) for job in plan.jobs))
    if work.parts and settings.address is None:
        lacking.fetch_weights(plan)
    if work.parts:
        _run(plan, work, settings, known, outcome)
    elif {job.job_id for job in plan.jobs} - set(_job_states(settings.results)):
        # Nothing to compute, but new jobs to record: other data around the same parts, or skipped jobs.
        _record_run(plan, settings)
        ingest.ingest_all(settings.results)
    stored = _job_states(settings.results)
    outcome.states = {job.job_id: stored.get(job.job_id, "planned") for job in plan.jobs}
    return outcome


def make_plan(grid: Grid, settings: Settings, known: registry.Registry, *, prepare_bundled: bool) -> Plan:
    """The plan of a grid against what is recorded in the results folder."""
    found = sources.load(grid, settings.data, prepare_bundled=prepare_bundled)
    states = {part: status for part, (status, _) in recorded.part_states(settings.results).items()}
    return planning.make(
        grid,
        found,
        known,
        states,
        auxiliary=sources.load_auxiliary(grid, known, settings.data, prepare_bundled=prepare_bundled),
        only=settings.only,
        most_jobs=settings.most_jobs,
        lacking=recorded.lacking(settings.results, grid),
    )


def _heal(results: Path) -> None:
    """Set damaged segments aside (their parts run again) and bring a stale database up to date."""
    for moved in segments.set_damaged_aside(results):
        print(f"damaged, set aside as {moved}; its parts run again", file=sys.stderr)
    if Layout(results).published.is_file() and not recorded.is_whole(results):
        print("the database is damaged; it is made again from the files", file=sys.stderr)
        ingest.rebuild(results)
    elif not recorded.is_current(results):
        ingest.ingest_all(results)


def _job_states(results: Path) -> dict[str, str]:
    return {row["job_id"]: row["status"] for row in read.results(results, "job")}


def _record_run(plan: Plan, settings: Settings, device: str = "") -> str:
    for source in plan.sources.values():
        if source.prepared:
            manifests.keep(settings.results, source.prepared)
    return runs.write(
        settings.results,
        grid=plan.grid,
        jobs=tuple(job for job in plan.asked if job.column_key),
        method_fields=plan.method_fields,
        column_fields=plan.column_fields,
        environment={**version.environment(), **({"device": device} if device else {})},
        command=settings.command,
        version=version.version(),
    )


def _run(
    plan: Plan, work: units.Work, settings: Settings, known: registry.Registry, outcome: Outcome
) -> None:
    from gad.harness.executor import cluster
    from gad.harness.executor.order import Order
    from gad.harness.executor.progress import Counts, Progress

    with cluster.session(settings.address, settings.workers) as cpus:
        nodes = cluster.preflight(_sentinels(work), sorted({job.model.name for job in plan.jobs}))
        print(f"{work.parts} parts to score on {nodes} node(s), {cpus} CPUs", file=sys.stderr)
        device = "cpu"
        if any(isinstance(unit.input, FeatureInput) for unit in work.encode.values()):
            device = cluster.device_for(settings.device)
        run_id = _record_run(plan, settings, device)
        order = Order(
            run_id=run_id,
            methods=methods_of(plan, known),
            limits=plan.grid.limits,
            threads=settings.threads,
            cache=str(settings.cache.absolute()),
            device=device,
            maps_most=most_maps(plan.grid.maps),
            pixel_metrics=plan.grid.pixel_metrics,
        )
        progress = Progress(settings.results, run_id, Counts(work.images, work.parts, len(work.train)))
        outcome.stopped = _drive(plan, work, settings, order, progress, cpus)


def _drive(
    plan: Plan, work: units.Work, settings: Settings, order: Order, progress: Progress, cpus: int
) -> bool:
    """Score everything and write it down; True if it was stopped before the end."""
    from gad.harness.executor.driver import Driver
    from gad.harness.executor.recorder import Recorder
    from gad.harness.executor.stopping import counted

    jobs_of = _jobs_of(plan.jobs).__getitem__
    most = settings.max_failures
    if most is not None and most < 1:
        most = most * work.parts
    recorder: Recorder | None = None
    with counted() as stop:
        try:
            with Recorder(settings.results) as recorder:
                Driver(work, order, jobs_of, progress, recorder, most).run(cpus, stop)
                if most is not None and progress.counts.parts_failed > most:
                    print(f"stopped: {progress.counts.parts_failed} parts have failed", file=sys.stderr)
        finally:
            if recorder:  # it may have written more, and then failed: what is told last has to be right
                progress.counts.recorded = recorder.written
            progress.close(note="stopped" if stop.asked else "")
    return bool(stop.asked) and progress.counts.parts_ended < work.parts


def _sentinels(work: units.Work) -> list[str]:
    """A few data files that every node must see: the first and last of each dataset."""
    files: dict[str, None] = {}
    for unit in work.encode.values():
        for sample in (*unit.samples[:1], *unit.samples[-1:]):  # a unit may be of texts alone
            files[str(Path(unit.root) / sample.path)] = None
    return list(files)


def methods_of(plan: Plan, known: registry.Registry) -> dict[str, Method]:
    """How to run each method of a plan, by its key."""
    from gad.harness.executor.order import Method

    found: dict[str, Method] = {}
    for key, fields in plan.method_fields.items():
        model = known.find(fields["model"])
        # A transductive model has one batch, whatever its size: there is none to halve when memory runs out.
        size = 1 if model.info.transductive else model.info.batch_size
        found[key] = Method(info=model.reference, batch_size=size)
    return found


def _jobs_of(jobs: tuple[Job, ...]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for job in jobs:
        for part in job.parts:
            found.setdefault(part.part_id, set()).add(job.job_id)
    return found
