"""A grid whose jobs share encoded images, distances and a training, against the same jobs one by one.

The same `harness submit` either way: once for the whole grid, and once per job with a cache of its own, as
if every job stood alone. Starting Ray and the interpreter is taken off both by a run with nothing to do.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rows import Row, best

MODELS, SHOTS, SEEDS = ("winclip", "patchcore"), (2, 4, 8), (0, 1)


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        submit(place, "first", MODELS[:1], SHOTS[:1], SEEDS[:1])  # prepares the data
        start = starting(place)
        together = (
            best(lambda: submit(place, f"together-{os.urandom(4).hex()}", MODELS, SHOTS, SEEDS), 2) - start
        )
        jobs = list(itertools.product(MODELS, SHOTS, SEEDS))
        alone = sum(
            best(
                lambda job=job: submit(place, f"alone-{os.urandom(4).hex()}", *([value] for value in job)), 1
            )
            - start
            for job in jobs
        )
    return [Row(f"{len(jobs)} jobs of one grid on `textures`, `tiny`", together, "each job by itself", alone)]


def submit(
    place: Path, run_name: str, models: Sequence[str], shots: Sequence[int], seeds: Sequence[int]
) -> None:
    grid = place / f"{run_name}.yaml"
    grid.write_text(
        f"models: [{', '.join(models)}]\ndatasets: [textures]\nshots: {list(shots)}\nseeds: {list(seeds)}\n"
        "backbone: tiny\n"
    )
    harness(place, run_name, grid)


def starting(place: Path) -> float:
    """Seconds of a submit that runs one part of a model that costs next to nothing."""
    grid = place / "start.yaml"
    grid.write_text("models: [pixel-knn]\ndatasets: [digits-multi-class]\nshots: [1]\nseeds: [0]\n")
    return best(lambda: harness(place, f"start-{os.urandom(4).hex()}", grid), 2)


def harness(place: Path, run_name: str, grid: Path) -> None:
    command = [Path(sys.executable).with_name("harness"), "submit", "--grid", grid, "--data", place / "data"]
    command += ["--results", place / run_name / "results", "--cache", place / run_name / "cache"]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
