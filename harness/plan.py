"""Planning: grid -> jobs -> parts -> what is done, failed, new or impossible, and why.

Pure and light: it reads manifests and the list of recorded parts, computes keys and ids, and imports
nothing heavy. Nothing is written.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from gad.harness import ids, manifest, prompts
from gad.harness.errors import HarnessError
from gad.harness.manifest import Prepared
from gad.harness.metrics import METRICS_VERSION
from gad.harness.nouns import (
    ENCODER_VERSION,
    PIXELS_VERSION,
    Category,
    DatasetInfo,
    FeatureInput,
    Grid,
    ImageInput,
    Input,
    Job,
    ModelChoice,
    Part,
    PromptSet,
    Sample,
)
from gad.harness.registry import Model, Registry, source_digest


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


@dataclass
class Plan:
    """``states`` maps a part id to ``done``, ``failed`` (recorded earlier) or ``new``."""

    grid: Grid
    jobs: tuple[Job, ...]
    states: dict[str, str]
    sources: dict[str, Source]
    prompt_sets: dict[tuple[str, str, int], PromptSet]
    method_fields: dict[str, Any]
    column_fields: dict[str, Any]
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
        return [s.name for s in self.sources.values() if not s.prepared and s.info and s.info.bundled]

    @property
    def missing(self) -> list[str]:
        """What has to be there before anything can start: data, and encoders' weights."""
        data = [s.missing for s in self.sources.values() if s.missing]
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
    only: Only | None = None,
    most_jobs: int | None = None,
) -> Plan:
    """Expand a grid. ``states`` are the recorded parts' (``done`` or ``failed``).

    ``only`` keeps jobs by (model, dataset, K, seed); ``most_jobs`` keeps the first so many.
    """
    planner = _Planner(grid, dict(sources), registry)
    jobs = [
        planner.job(choice, sources[dataset], shots, seed)
        for dataset in grid.datasets
        for choice in grid.models
        for shots in grid.shots
        for seed in grid.seeds
        if only is None or only(choice.name, sources[dataset].name, shots, seed)
    ]
    plan = Plan(
        grid=grid,
        jobs=tuple(jobs[:most_jobs]),
        states={},
        sources={source.name: source for source in sources.values()},
        prompt_sets=planner.prompt_sets,
        method_fields=planner.method_fields,
        column_fields=planner.column_fields,
    )
    for _, part in plan.parts():
        plan.states[part.part_id] = states.get(part.part_id, "new")
    _explain(plan)
    return plan


class _Planner:
    """Keys are computed once per model and dataset, prompts once per (category, seed)."""

    def __init__(self, grid: Grid, sources: dict[str, Source], registry: Registry) -> None:
        self.grid, self.sources, self.registry = grid, sources, registry
        self.prompt_sets: dict[tuple[str, str, int], PromptSet] = {}
        self.method_fields: dict[str, Any] = {}
        self.column_fields: dict[str, Any] = {}
        self._methods: dict[str, tuple[str, str]] = {}
        self._columns: dict[str, str] = {}
        self._normals: dict[str, dict[str, list[Sample]]] = {}
        self._queries: dict[tuple[str, str], str] = {}

    def job(self, choice: ModelChoice, source: Source, shots: int, seed: int) -> Job:
        method, invalid = self._method(choice)
        if source.prepared is None:
            return self._unprepared(choice, source, shots, seed, method)
        column = self._column(source.prepared)
        model = self.registry.find(choice.name)
        if shots < model.info.min_shots and not invalid:
            invalid = f"{choice.name} needs at least {model.info.min_shots} prompts; K = {shots}"
        parts = []
        for category in source.prepared.categories:
            drawn = self._prompts(source.prepared, category.category, seed)
            if len(drawn.samples) < shots and not invalid:
                invalid = (
                    f"category {category.category} of {source.name} has {category.train_normal} "
                    f"normal train images; K = {shots}"
                )
            parts.append(self._part(method, source.prepared, category, seed, drawn.first(shots)))
        return Job(
            job_id=ids.job_id(
                method=method, column=column, dataset=source.name, shots=shots, seed=seed, training_seed=None
            ),
            model=choice,
            dataset=source.name,
            protocol=source.prepared.protocol,
            shots=shots,
            seed=seed,
            method_key=method,
            column_key=column,
            parts=tuple(parts),
            invalid=invalid,
        )

    def _unprepared(self, choice: ModelChoice, source: Source, shots: int, seed: int, method: str) -> Job:
        """A job of a dataset that is not there yet: counted, without ids that depend on the data."""
        stand_in = f"{choice.name}{choice.options}/{source.name}/{shots}/{seed}"
        return Job(
            job_id=stand_in,
            model=choice,
            dataset=source.name,
            protocol=source.info.protocol if source.info else "industrial",
            shots=shots,
            seed=seed,
            method_key=method,
            column_key="",
            parts=tuple(
                Part(part_id=f"{stand_in}/{c.category}", category=c.category, text=c.text, prompts=())
                for c in source.categories
            ),
            invalid=source.missing,
        )

    def _part(
        self, method: str, prepared: Prepared, category: Category, seed: int, drawn: tuple[Sample, ...]
    ) -> Part:
        return Part(
            part_id=ids.part_id(
                method=method,
                dataset=prepared.name,
                category=category.category,
                text=category.text,
                seed=seed,
                training="",
                prompts=[(s.id, s.digest) for s in drawn],
                queries=self._query_digest(prepared, category),
            ),
            category=category.category,
            text=category.text,
            prompts=tuple(s.id for s in drawn),
        )

    def _method(self, choice: ModelChoice) -> tuple[str, str]:
        """The method's key, and why it cannot run here (its encoder's weights are missing), or ""."""
        name = repr((choice.name, sorted(choice.options.items())))
        if name not in self._methods:
            model = self.registry.find(choice.name)
            try:
                fields, problem = method_fields(model, choice, input_of(model, choice)), ""
            except HarnessError as error:
                fields, problem = method_fields(model, choice, None), str(error).replace("\n", ". ")
            self._methods[name] = (ids.method_key(fields), problem)
            self.method_fields[self._methods[name][0]] = fields
        return self._methods[name]

    def _column(self, prepared: Prepared) -> str:
        if prepared.name not in self._columns:
            fields = {
                "fingerprint": prepared.fingerprint,
                "prompt_rule": prompts.RULE,
                "metrics_version": METRICS_VERSION,
                "test_images": self.grid.limits.test_images,
            }
            key = ids.column_key(**fields)  # type: ignore[arg-type]
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


def method_fields(model: Model, choice: ModelChoice, wanted: Input | None) -> dict[str, Any]:
    """What goes into a method key; ``wanted`` is None for a method whose encoder is not there."""
    return {
        "model": choice.name,
        "options": choice.options,
        "source": source_digest(model),
        "input": wanted.model_dump(mode="json") if wanted else None,
        "batch_size": model.info.batch_size,
        "images": PIXELS_VERSION,
        "encoder": _encoder_code() if isinstance(wanted, FeatureInput) else None,
    }


@cache
def _encoder_code() -> str:
    """What turns images into features and features into what detectors share: its version and source."""
    shared = ("gad.harness.features.nearest", "gad.models.clip_text", "gad.models.text_prior")
    found = [importlib.util.find_spec(name) for name in shared]
    files = [Path(spec.origin) for spec in found if spec and spec.origin]
    return ids.digest([ENCODER_VERSION, *(ids.source_digest([file], file.parent) for file in files)])[:20]


def input_of(model: Model, choice: ModelChoice) -> Input:
    """What a method wants to see; for features with layers and weights spelled out.

    Raises UsageError or ModelError for a backbone that is not known or has no weights file.
    """
    wanted = model.info.inputs(model.info.options.model_validate(choice.options))
    if isinstance(wanted, ImageInput):
        return wanted
    from gad.models.backbones.describe import resolve

    return resolve(wanted)


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
