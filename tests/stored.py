"""Records and runs as a grid would leave them, made by hand."""

from __future__ import annotations

from pathlib import Path

from gad.harness.nouns import Grid, Job, ModelChoice, Part
from gad.harness.store import runs
from gad.harness.store.records import PartRecord


def part(
    name: str, *, status: str = "done", ended: float = 1.0, scores: tuple[float, ...] = (0.1, 0.9)
) -> PartRecord:
    done = status == "done"
    return PartRecord.model_validate(
        {
            "part_id": name,
            "status": status,
            "run_id": "r",
            "dataset": "d",
            "category": "c",
            "model": "m",
            "options": "{}",
            "shots": 2,
            "seed": 0,
            "method_key": "k",
            "prompts": ("p1", "p2"),
            "sample_ids": ("a", "b") if done else (),
            "labels": (0, 1) if done else (),
            "defects": ("", "hole") if done else (),
            "scores": scores if done else (),
            "error": "" if done else "boom",
            "ended": ended,
        }
    )


def add_run(results: Path, names: list[str], *, seeds: int = 1) -> str:
    """A run with one job for each seed; each job has one category for each part name."""
    jobs = tuple(
        Job(
            job_id=f"job{seed}",
            model=ModelChoice(name="m", options={}),
            dataset="d",
            protocol="industrial",
            shots=2,
            seed=seed,
            method_key="k",
            column_key="col",
            parts=tuple(Part(part_id=f"{n}{seed}", category=n, text=n, prompts=("p1", "p2")) for n in names),
        )
        for seed in range(seeds)
    )
    grid = Grid(name="g", models=(jobs[0].model,), datasets=("d",), shots=(2,), seeds=tuple(range(seeds)))
    return runs.write(
        results,
        grid=grid,
        jobs=jobs,
        method_fields={"k": {}},
        column_fields={"col": {}},
        environment={"python": "3"},
        command="harness submit",
        version="1",
    )
