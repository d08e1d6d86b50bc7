"""What planning gives: the jobs and parts of a grid, their states, and what they need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gad.harness.manifest import Prepared
from gad.harness.nouns import Category, DatasetInfo, Grid, Job, Part, PromptSet, Protocol, Training


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
    absent: dict[str, None] = field(default_factory=dict)  # checkpoints that are not there
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

    def needed_by(self, job: Job) -> tuple[str, ...]:
        """The datasets that a job needs: its own, and its auxiliary set if it is trained."""
        if job.training_seed is None or job.model.checkpoint:
            return (job.dataset,)
        rule = {Path(target).name: Path(source).name for target, source in self.grid.auxiliary.items()}
        return (job.dataset, rule.get(job.dataset, rule.get("default", "")))

    def _all_sources(self) -> list[Source]:
        return [*self.sources.values(), *self.auxiliary.values()]

    @property
    def missing(self) -> list[str]:
        """What has to be there before anything can start: data, and encoders' weights."""
        wanted = {name for job in self.jobs for name in self.needed_by(job)}
        data = [s.missing for s in self._all_sources() if s.missing and s.name in wanted]
        unusable = {key for key, fields in self.method_fields.items() if fields["input"] is None}
        weights = {job.invalid: None for job in self.jobs if job.method_key in unusable}
        checkpoints = {job.invalid: None for job in self.jobs if job.invalid in self.absent}
        return list(dict.fromkeys([*data, *weights, *checkpoints]))

    def waiting(self) -> list[Job]:
        """Jobs that could run if what is missing were there; other invalid jobs never run."""
        missing = set(self.missing)
        return [job for job in self.jobs if job.invalid in missing]


Only = Callable[[str, str, int, int], bool]
