"""A results folder filled through the real store: planned jobs, finished and failed parts, ingested."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gad.harness import ids
from gad.harness.nouns import Grid, Job, ModelChoice, Part
from gad.harness.store import ingest, runs, segments
from gad.harness.store.layout import Layout
from gad.harness.store.records import PartRecord

LABELS = (0,) * 12 + (1,) * 12


class Folder:
    """Plans jobs and records their parts, with scores whose quality is chosen."""

    def __init__(self, path: Path) -> None:
        self.path = path
        Layout(path).make()

    def plan(
        self,
        model: str,
        dataset: str,
        *,
        shots: Iterable[int] = (2,),
        seeds: Iterable[int] = (0, 1, 2),
        options: dict[str, Any] | None = None,
        protocol: Any = "industrial",
        categories: tuple[str, ...] = ("one", "two"),
        code: str = "1",
        data: str = "1",
    ) -> tuple[Job, ...]:
        """Write a run that asks for these jobs; ``code`` and ``data`` make other keys."""
        choice = ModelChoice(name=model, options=options or {})
        method = ids.digest([model, choice.options, code])[:20]
        column = ids.digest([dataset, data])[:20]
        jobs = tuple(
            Job(
                job_id=ids.digest([method, column, k, seed])[:20],
                model=choice,
                dataset=dataset,
                protocol=protocol,
                shots=k,
                seed=seed,
                method_key=method,
                column_key=column,
                parts=tuple(
                    Part(
                        part_id=ids.digest([method, column, k, seed, name])[:20],
                        category=name,
                        text=name,
                        prompts=(),
                    )
                    for name in categories
                ),
            )
            for k in shots
            for seed in seeds
        )
        grid = Grid(
            name="test",
            models=(choice,),
            datasets=(dataset,),
            shots=tuple(sorted({job.shots for job in jobs})),
            seeds=tuple(sorted({job.seed for job in jobs})),
        )
        runs.write(
            self.path,
            grid=grid,
            jobs=jobs,
            method_fields={method: {}},
            column_fields={column: {}},
            environment={},
            command="test",
            version="0",
        )
        return jobs

    def record(self, *jobs: Job, quality: float = 1.0, error: str = "") -> None:
        """Finish every part of ``jobs`` with scores, or fail them with ``error``, and publish."""
        segments.write(
            self.path, [self._part(job, part, quality, error) for job in jobs for part in job.parts]
        )
        self.publish()

    def publish(self) -> None:
        ingest.ingest_all(self.path)

    @staticmethod
    def _part(job: Job, part: Part, quality: float, error: str) -> PartRecord:
        noise = np.random.default_rng(int(part.part_id[:8], 16)).normal(size=len(LABELS))
        scored = {
            "sample_ids": tuple(f"{i}.png" for i in range(len(LABELS))),
            "labels": LABELS,
            "defects": ("",) * len(LABELS),
            "scores": tuple((noise + quality * np.asarray(LABELS)).tolist()),
        }
        failed = {"error_type": "ModelError", "error": error, "traceback": "", "output": ""}
        return PartRecord(
            part_id=part.part_id,
            status="failed" if error else "done",
            run_id="run",
            dataset=job.dataset,
            category=part.category,
            model=job.model.name,
            options=json.dumps(job.model.options, sort_keys=True),
            shots=job.shots,
            seed=job.seed,
            method_key=job.method_key,
            prompts=(),
            ended=1.0,
            **(failed if error else scored),
        )


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty results folder that can be planned and recorded into."""
    return Folder(tmp_path / "results")


@pytest.fixture(scope="session")
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Folder]:
    """Makes results folders for fixtures that live longer than a test."""
    return lambda: Folder(tmp_path_factory.mktemp("leaderboard") / "results")
