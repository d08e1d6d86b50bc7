"""Planning: grid -> jobs -> parts -> what is done, failed, new or impossible, and why.

Pure and light: it reads manifests and the list of recorded parts, computes keys and ids, and imports
nothing heavy. Nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gad.harness import ids, manifest, prompts
from gad.harness.errors import HarnessError
from gad.harness.manifest import Prepared
from gad.harness.methods import input_of, method_fields
from gad.harness.metrics import METRICS_VERSION
from gad.harness.nouns import (
    Category,
    DatasetInfo,
    Grid,
    Job,
    ModelChoice,
    Part,
    PromptSet,
    Protocol,
    Sample,
    Training,
)
from gad.harness.registry import Registry


@dataclass(frozen=True)
class Source:
    """A dataset as the planner sees it: prepared, or missing with its card and the reason."""

    name: str
    prepared: Prepared | None
    info: DatasetInfo | None = None
    missing: str = ""

    @property
    def categories(self) -> tuple[Category, ...]:
        if self.prepared:
            return self.prepared.categories
        return self.info.expected if self.info else ()

    @property
    def protocol(self) -> Protocol:
        return self.info.protocol if self.info else "industrial"


@dataclass
class Plan:
    """``jobs`` are those to run, ``asked`` all of the grid: a cell is complete when these are done.

    ``states`` maps a part id to ``done``, ``failed`` (recorded earlier) or ``new``.
    """

    grid: Grid
    jobs: tuple[Job, ...]
    asked: tuple[Job, ...]
    states: dict[str, str]
    sources: dict[str, Source]
    prompt_sets: dict[tuple[str, str, int], PromptSet]
    method_fields: dict[str, Any]
    column_fields: dict[str, Any]
    trainings: dict[str, Training] = field(default_factory=dict)
    auxiliary: dict[str, Source] = field(default_factory=dict)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)

    def parts(self) -> list[tuple[Job, Part]]:
        """Every distinct part of a job that can run, with the first job that wants it."""
        seen: dict[str, tuple[Job, Part]] = {}
        for job in self.jobs:
            for part in () if job.invalid else job.parts:
                seen.setdefault(part.part_id, (job, part))
        return list(seen.values())

    def count(self, state: str) -> int:
        return sum(self.states[part.part_id] == state for _, part in self.parts())

    @property
    def unprepared(self) -> list[str]:
        """Bundled datasets that submit will prepare."""
        return [s.name for s in self._all_sources() if not s.prepared and s.info and s.info.bundled]

    def _all_sources(self) -> list[Source]:
        return [*self.sources.values(), *self.auxiliary.values()]

    @property
    def missing(self) -> list[str]:
        """What has to be there before anything can start: data, and encoders' weights."""
        wanted = {job.dataset for job in self.jobs}
        used = [s for s in self.sources.values() if s.name in wanted]
        data = list(dict.fromkeys(s.missing for s in [*used, *self.auxiliary.values()] if s.missing))
        unusable = {key for key, fields in self.method_fields.items() if fields["input"] is None}
        weights = {job.invalid: None for job in self.jobs if job.method_key in unusable}
        return [*data, *(reason for reason in weights if reason not in data)]


Only = Callable[[str, str, int, int], bool]


def make(
    grid: Grid,
    sources: Mapping[str, Source],
    registry: Registry,
    states: Mapping[str, str],
    *,
    auxiliary: Mapping[str, Source] | None = None,
    only: Only | None = None,
    most_jobs: int | None = None,
) -> Plan:
    """Expand a grid. ``states`` are the recorded parts' (``done`` or ``failed``).

    ``sources`` and ``auxiliary`` are by the names that datasets and auxiliary sets have in the grid.
    ``only`` keeps jobs by (model, dataset, K, seed); ``most_jobs`` keeps the first so many.
    """
    planner = _Planner(grid, dict(sources), dict(auxiliary or {}), registry)
    asked = [
        planner.job(choice, dataset, shots, seed, training_seed)
        for dataset in grid.datasets
        for choice in grid.models
        for shots in grid.shots
        for seed in grid.seeds
        for training_seed in (grid.training_seeds if registry.find(choice.name).info.trained else (None,))
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
    )
    for _, part in plan.parts():
        plan.states[part.part_id] = states.get(part.part_id, "new")
    _explain(plan)
    return plan


class _Planner:
    """Keys are computed once per model and dataset, prompts once per (category, seed)."""

    def __init__(
        self, grid: Grid, sources: dict[str, Source], auxiliary: dict[str, Source], registry: Registry
    ) -> None:
        self.grid, self.sources, self.auxiliary, self.registry = grid, sources, auxiliary, registry
        self.trainings: dict[str, Training] = {}
        self.prompt_sets: dict[tuple[str, str, int], PromptSet] = {}
        self.method_fields: dict[str, Any] = {}
        self.column_fields: dict[str, Any] = {}
        self._methods: dict[str, tuple[str, str]] = {}
        self._columns: dict[str, str] = {}
        self._normals: dict[str, dict[str, list[Sample]]] = {}
        self._queries: dict[tuple[str, str], str] = {}

    def job(self, choice: ModelChoice, dataset: str, shots: int, seed: int, training_seed: int | None) -> Job:
        method, invalid = self._method(choice)
        source, helper = self.sources[dataset], None
        model = self.registry.find(choice.name)
        if model.info.trained:
            helper = self.auxiliary.get(
                self.grid.auxiliary.get(dataset, self.grid.auxiliary.get("default", ""))
            )
            if helper is None:
                invalid = (
                    invalid
                    or f"{choice.name} is trained, and the grid names no auxiliary set for {source.name}"
                )
        if source.prepared is None or (helper and helper.prepared is None):
            return self._unprepared(choice, source, helper, shots, seed, training_seed, method)
        column = self._column(source.prepared)
        if shots < model.info.min_shots:
            invalid = invalid or f"{choice.name} needs at least {model.info.min_shots} prompts; K = {shots}"
        training = ""
        if helper and helper.prepared and training_seed is not None:
            training = self._training(choice, method, helper.prepared, shots, training_seed)
        parts = []
        for category in source.prepared.categories:
            drawn = self._prompts(source.prepared, category.category, seed)
            if len(drawn.samples) < shots:
                invalid = invalid or (
                    f"category {category.category} of {source.name} has {category.train_normal} "
                    f"normal train images; K = {shots}"
                )
            parts.append(self._part(method, source.prepared, category, seed, training, drawn.first(shots)))
        return Job(
            job_id=ids.job_id(
                method=method,
                column=column,
                dataset=source.name,
                shots=shots,
                seed=seed,
                training_seed=training_seed,
            ),
            model=choice,
            dataset=source.name,
            protocol=source.prepared.protocol,
            shots=shots,
            seed=seed,
            training_seed=training_seed,
            method_key=method,
            column_key=column,
            parts=tuple(parts),
            invalid=invalid,
        )

    def _training(
        self, choice: ModelChoice, method: str, prepared: Prepared, shots: int, training_seed: int
    ) -> str:
        """The id of a training, one for all jobs that want the same."""
        name = ids.training_id(
            method=method, auxiliary=prepared.fingerprint, shots=shots, training_seed=training_seed
        )
        self.trainings[name] = Training(
            training_id=name,
            model=choice,
            method_key=method,
            auxiliary=prepared.name,
            shots=shots,
            training_seed=training_seed,
        )
        return name

    def _unprepared(
        self,
        choice: ModelChoice,
        source: Source,
        helper: Source | None,
        shots: int,
        seed: int,
        training_seed: int | None,
        method: str,
    ) -> Job:
        """A job whose data are not there yet: counted, without ids that depend on the data."""
        stand_in = f"{choice.name}{choice.options}/{source.name}/{shots}/{seed}/{training_seed}"
        return Job(
            job_id=stand_in,
            model=choice,
            dataset=source.name,
            protocol=source.prepared.protocol if source.prepared else source.protocol,
            shots=shots,
            seed=seed,
            training_seed=training_seed,
            method_key=method,
            column_key="",
            parts=tuple(
                Part(part_id=f"{stand_in}/{c.category}", category=c.category, text=c.text, prompts=())
                for c in source.categories
            ),
            invalid=source.missing or (helper.missing if helper else ""),
        )

    def _part(
        self,
        method: str,
        prepared: Prepared,
        category: Category,
        seed: int,
        training: str,
        drawn: tuple[Sample, ...],
    ) -> Part:
        return Part(
            part_id=ids.part_id(
                method=method,
                dataset=prepared.name,
                category=category.category,
                text=category.text,
                seed=seed,
                training=training,
                prompts=[(s.id, s.digest) for s in drawn],
                queries=self._query_digest(prepared, category),
            ),
            category=category.category,
            text=category.text,
            prompts=tuple(s.id for s in drawn),
            training=training,
        )

    def _method(self, choice: ModelChoice) -> tuple[str, str]:
        """The method's key, and why it cannot run here (its encoder's weights are missing), or ""."""
        name = repr((choice.name, sorted(choice.options.items())))
        if name not in self._methods:
            model = self.registry.find(choice.name)
            try:
                fields, problem = method_fields(self.grid, model, choice, input_of(model, choice)), ""
            except HarnessError as error:
                fields = method_fields(self.grid, model, choice, None)
                problem = str(error).replace("\n", ". ")
            self._methods[name] = (ids.method_key(fields), problem)
            self.method_fields[self._methods[name][0]] = fields
        return self._methods[name]

    def _column(self, prepared: Prepared) -> str:
        if prepared.name not in self._columns:
            fields: dict[str, Any] = {
                "fingerprint": prepared.fingerprint,
                "texts": {category.category: category.text for category in prepared.categories},
                "prompt_rule": prompts.RULE,
                "metrics_version": METRICS_VERSION,
                "test_images": self.grid.limits.test_images,
            }
            key = ids.column_key(**fields)
            self._columns[prepared.name] = key
            self.column_fields[key] = {"dataset": prepared.name, **fields}
        return self._columns[prepared.name]

    def _prompts(self, prepared: Prepared, category: str, seed: int) -> PromptSet:
        key = (prepared.name, category, seed)
        if key not in self.prompt_sets:
            if prepared.name not in self._normals:
                groups: dict[str, list[Sample]] = {}
                for sample in manifest.read_samples(prepared, split="train", label=0):
                    groups.setdefault(sample.category, []).append(sample)
                self._normals[prepared.name] = groups
            normals = self._normals[prepared.name].get(category, [])
            self.prompt_sets[key] = prompts.draw(prepared.name, category, seed, normals, max(self.grid.shots))
        return self.prompt_sets[key]

    def _query_digest(self, prepared: Prepared, category: Category) -> str:
        most = self.grid.limits.test_images
        if most is None:
            return category.test_digest
        key = (prepared.name, category.category)
        if key not in self._queries:
            tests = manifest.read_samples(prepared, category=category.category, split="test")
            kept = prompts.limit_tests(prepared.name, category.category, tests, most)
            self._queries[key] = manifest.test_digest(kept)
        return self._queries[key]


def _explain(plan: Plan) -> None:
    """Count parts by (state, reason)."""
    for job in plan.jobs:
        if job.invalid:
            plan.reasons["invalid", job.invalid] += len(job.parts)
    unprepared = set(plan.unprepared)
    known = {"done": "already recorded", "failed": "failed earlier; --retry-failed runs it again"}
    for job, part in plan.parts():
        state = plan.states[part.part_id]
        reason = known.get(state, "not recorded yet")
        if job.dataset in unprepared:
            reason = f"{job.dataset} is bundled and not prepared yet: submit prepares it"
        plan.reasons[state, reason] += 1
