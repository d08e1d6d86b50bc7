"""A results folder filled through the real store: planned jobs, finished and failed parts, ingested."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import raws

from gad.datasets import prepare
from gad.harness import ids, manifest
from gad.harness.nouns import Grid, ImageInput, Job, ModelChoice, Part, Sample
from gad.harness.store import ingest, mapfiles, runs, segments
from gad.harness.store.layout import Layout
from gad.harness.store.records import PartRecord
from gad.leaderboard import screenshot
from gad.leaderboard.serve import Folders, running

HOSTILE = "<img src=x onerror=window.hacked=1>"
LABELS = (0,) * 12 + (1,) * 12


class Folder:
    """Plans jobs and records their parts, with scores whose quality is chosen."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_id = "run"  # of what is recorded
        self.prepared: dict[str, manifest.Prepared] = {}
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
        training_seeds: tuple[int | None, ...] = (None,),
        code: str = "1",
        data: str = "1",
        method_input: dict[str, Any] | None = None,
        auxiliary: dict[str, str] | None = None,
    ) -> tuple[Job, ...]:
        """Write a run that asks for these jobs; ``code`` and ``data`` make other keys."""
        choice = ModelChoice(name=model, options=options or {})
        known = self.prepared.get(dataset)
        if known:
            categories = tuple(c.category for c in known.categories)
        method = ids.digest([model, choice.options, code])[:20]
        column = ids.digest([dataset, data])[:20]
        jobs = tuple(
            Job(
                job_id=ids.digest([method, column, k, seed, training])[:20],
                model=choice,
                dataset=dataset,
                protocol=protocol,
                shots=k,
                seed=seed,
                training_seed=training,
                method_key=method,
                column_key=column,
                parts=tuple(
                    Part(
                        part_id=ids.digest([method, column, k, seed, training, name])[:20],
                        category=name,
                        text=name,
                        prompts=self.train(dataset, name)[:k],
                    )
                    for name in categories
                ),
            )
            for k in shots
            for seed in seeds
            for training in training_seeds
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
            method_fields={
                method: {
                    "options": choice.options,
                    "source": code,
                    "input": method_input,
                    "auxiliary": auxiliary,
                }
            },
            column_fields={column: {"fingerprint": known.fingerprint if known else data}},
            environment={"python": "3"},
            command="harness submit --grid 'my grid.yaml'",
            version="0",
        )
        return jobs

    def record(
        self, *jobs: Job, quality: float = 1.0, error: str = "", seen: ImageInput | None = None
    ) -> None:
        """Finish every part of ``jobs`` with scores, or fail them with ``error``, and publish.

        With maps of images ``seen`` so, 2 x 2, whose upper left corner is high.
        """
        found = [self._part(job, part, quality, error) for job in jobs for part in job.parts]
        segments.write(self.path, [self._with_maps(part, seen) for part in found] if seen else found)
        self.publish()

    def _with_maps(self, part: PartRecord, seen: ImageInput) -> PartRecord:
        maps = np.tile(np.array([[5, 1], [1, 1]], np.float16), (len(part.sample_ids), 1, 1))
        name, content = mapfiles.pack(part.part_id, mapfiles.Maps(part.sample_ids, maps, seen))
        mapfiles.write(self.path, name, content)
        return part.model_copy(update={"maps": name, "maps_most": 1_000_000})

    def publish(self) -> None:
        ingest.ingest_all(self.path)

    def prepare(self, raw: Path, data: Path) -> manifest.Prepared:
        """Prepare a folder in MVTec layout; what is planned on its name then has its images."""
        found = prepare.prepare(str(raw), None, data)
        self.prepared[found.name] = found
        return found

    def train(self, dataset: str, category: str) -> tuple[str, ...]:
        return tuple(sample.id for sample in self._samples(dataset, category, "train"))

    def _samples(self, dataset: str, category: str, split: str) -> list[Sample]:
        known = self.prepared.get(dataset)
        return manifest.read_samples(known, category=category, split=split) if known else []

    def _part(self, job: Job, part: Part, quality: float, error: str) -> PartRecord:
        samples = self._samples(job.dataset, part.category, "test")
        labels = tuple(s.label for s in samples) or LABELS
        noise = np.random.default_rng(int(part.part_id[:8], 16)).normal(size=len(labels))
        scored = {
            "sample_ids": tuple(s.id for s in samples) or tuple(f"{i}.png" for i in range(len(labels))),
            "labels": labels,
            "defects": tuple(s.defect for s in samples) or ("",) * len(labels),
            "scores": tuple((noise + quality * np.asarray(labels)).tolist()),
        }
        failed = {
            "error_type": "ModelError",
            "error": error,
            "traceback": f"Traceback: {error}",
            "output": f"said {error}",
        }
        return PartRecord(
            part_id=part.part_id,
            status="failed" if error else "done",
            run_id=self.run_id,
            dataset=job.dataset,
            category=part.category,
            model=job.model.name,
            options=json.dumps(job.model.options, sort_keys=True),
            shots=job.shots,
            seed=job.seed,
            training_seed=job.training_seed,
            method_key=job.method_key,
            prompts=part.prompts,
            started=1.0,
            ended=2.0,
            seconds=0.5,
            peak_memory_mb=100.0,
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


@dataclass(frozen=True)
class Site:
    """A results folder with something for every page, and the data of one of its datasets."""

    folder: Folder
    data: Path
    raw: Path


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Variants of one method and two others on a prepared dataset and two more; a part that failed; hostile names."""
    root = tmp_path_factory.mktemp("site")
    folder, raw = Folder(root / "results"), raws.mvtec(root / "parts", "bolt", "nut")
    folder.prepare(raw, root / "data")
    for quality, parts in ((1.5, "TPI"), (1.0, "TP"), (0.5, "P")):
        options = {"components": parts, "residual": "subtract"}
        for dataset in ("parts", "digits-one-vs-all"):
            trained = folder.plan("inctrl", dataset, options=options, shots=(2, 4), training_seeds=(8, 9))
            folder.record(*trained, quality=quality)
    for dataset, protocol in (
        ("parts", "industrial"),
        ("digits-one-vs-all", "one-vs-all"),
        (HOSTILE, "medical"),
    ):
        maps = ImageInput(size=32) if dataset == "parts" else None
        folder.record(*folder.plan("knn", dataset, shots=(2, 4), protocol=protocol), seen=maps)
        *most, last = folder.plan(HOSTILE, dataset, shots=(2, 4), protocol=protocol)
        folder.record(*most, quality=0.7)
        folder.record(last, error=f"it broke {HOSTILE}")
    return Site(folder, root / "data", raw)


@pytest.fixture(scope="session")
def address(site: Site) -> Iterator[str]:
    """Where the site is served."""
    with running(Folders(site.folder.path, site.data)) as (found, _):
        yield found


def pytest_exception_interact(node: pytest.Item, report: Any) -> None:
    """Beside the error of a test in a browser, what was on its pages."""
    opened = getattr(node, "funcargs", {}).get("browser")
    for page in [page for context in opened.contexts for page in context.pages] if opened else []:
        try:
            text = page.locator("body").inner_text(timeout=2000)
        except Exception as error:  # the test's own error is the one to tell
            text = f"cannot be read: {error}"
        report.sections.append((f"on the page {page.url}", text[:4000]))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium for all pages; skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(
                executable_path=screenshot.find_browser(), args=list(screenshot.ARGUMENTS)
            )
        except sync_api.Error as error:
            pytest.skip(f"no Chromium: {error.message.splitlines()[0]}")
        yield found
        found.close()
