"""Trained models: a training is done once, shared, kept, and never looks at the target."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Bench

pytestmark = pytest.mark.timeout(600)

GRID = """
models: [{{name: inctrl, options: {{epochs: 2, steps: 2}}}}]
datasets: ['{target}']
auxiliary: '{auxiliary}'
shots: [1, 2]
seeds: [0, 1]
backbone: '{backbone}'
"""


def make_folder(folder: Path, seed: int, categories: tuple[str, ...]) -> Path:
    generator = np.random.default_rng(seed)
    for category in categories:
        for place, count in (("train/good", 5), ("test/good", 2), ("test/scratch", 3)):
            (folder / category / place).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / category / place / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("training")
    return GRID.format(
        target=make_folder(home / "target", 0, ("nut",)),
        auxiliary=make_folder(home / "helper", 1, ("bolt", "screw")),
        backbone="tiny",
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, grid: str, cluster: str) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("finished"))
    path = bench.grid(grid)
    assert bench.json("plan", "--grid", path)["train"] == 2
    bench.run("submit", "--grid", path, "--address", cluster)
    return bench


def test_one_training_for_each_k_shared_by_seeds(finished: Bench) -> None:
    tasks = dict(finished.query("SELECT stage, count(*) FROM tasks GROUP BY stage"))
    assert tasks["train"] == 2
    assert [job["status"] for job in finished.json("results", "--by", "job")] == ["done"] * 4
    assert {job["training_seed"] for job in finished.json("results", "--by", "job")} == {10}
    assert finished.query("SELECT DISTINCT training_seed FROM parts") == [(10,)]


def test_every_image_of_target_and_auxiliary_set_is_encoded_once(finished: Bench) -> None:
    ((count,),) = finished.query("SELECT sum(images) FROM tasks WHERE stage = 'encode'")
    drawn = finished.query("SELECT DISTINCT sample_id FROM prompts")
    assert count == 2 * 10 + 5 + len(drawn)


def test_a_training_leaves_its_story(finished: Bench) -> None:
    stories = [
        json.loads(p.read_text())
        for p in (finished.folder / "gad-cache" / "trainings").glob("*/training.json")
    ]
    assert sorted(story["shots"] for story in stories) == [1, 2]
    for story in stories:
        assert (story["auxiliary"], story["training_seed"], len(story["losses"])) == ("helper", 10, 4)
        assert all(np.isfinite(story["losses"]))


def test_the_same_again_with_one_worker_and_a_damaged_checkpoint(
    finished: Bench, tmp_path: Path, grid: str
) -> None:
    """Kept trainings are used; a damaged one is noticed and trained again; the scores stay the same bits."""
    again = Bench(tmp_path / "again")
    shutil.copytree(finished.folder / "gad-cache", again.folder / "gad-cache")
    victim = sorted((again.folder / "gad-cache" / "trainings").glob("*/checkpoint.safetensors"))[0]
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(bytes(content))
    again.run("submit", "--grid", again.grid(grid), "--workers", "1")
    assert again.query("SELECT count(*) FROM tasks WHERE stage = 'train'") == [(1,)]
    assert again.scores() == finished.scores()


def test_a_grid_without_an_auxiliary_set_is_refused_for_a_trained_model(tmp_path: Path, grid: str) -> None:
    bench = Bench(tmp_path)
    path = bench.grid("\n".join(line for line in grid.splitlines() if not line.startswith("auxiliary")))
    bad = bench.run("submit", "--grid", path, code=3)
    assert "finished" not in bad.stderr
    assert {job["status"] for job in bench.json("results", "--by", "job")} == {"skipped"}
    assert "names no auxiliary set" in bench.json("results", "--by", "job")[0]["error"]
