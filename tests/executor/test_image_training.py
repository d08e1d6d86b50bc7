"""Trainings on images: normal train images of the auxiliary set alone, once for every K, kept and shared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Bench

from gad.harness.errors import ModelError
from gad.harness.executor.shown import ShownImages
from gad.harness.executor.train import train_into
from gad.harness.nouns import ImageInput, Limits, Sample
from gad.harness.units import TrainUnit, shown_in_training
from gad.models.backbones import generated

pytestmark = pytest.mark.timeout(600)

GRID = """
models: [{{name: regad, options: {{backbone: 'timm:resnet18:{weights}', size: 48, epochs: 1}}}}]
datasets: ['{target}']
auxiliary: '{auxiliary}'
shots: [1, 2]
seeds: [0]
"""


def make_folder(folder: Path, seed: int, categories: tuple[str, ...]) -> Path:
    generator = np.random.default_rng(seed)
    for category in categories:
        for place, count in (("train/good", 4), ("test/good", 2), ("test/scratch", 2)):
            (folder / category / place).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (48, 48, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / category / place / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("images")
    generated.write("timm:resnet18", home / "resnet18.safetensors")
    return GRID.format(
        target=make_folder(home / "target", 0, ("nut",)),
        auxiliary=make_folder(home / "helper", 1, ("bolt", "screw")),
        weights=home / "resnet18.safetensors",
    )


def test_one_training_is_kept_and_serves_every_k(tmp_path: Path, grid: str, cluster: str) -> None:
    bench = Bench(tmp_path / "first")
    path = bench.grid(grid)
    assert bench.json("plan", "--grid", path)["train"] == 1
    bench.run("submit", "--grid", path, "--address", cluster, timeout=500)
    rows = bench.json("results", "--by", "job")
    assert [(row["shots"], row["status"]) for row in rows] == [(1, "done"), (2, "done")]
    assert {row["note"] for row in bench.json("results")} == {"generated weights"}
    assert bench.query("SELECT images FROM tasks WHERE stage = 'train'") == [(8,)]
    # The target's 4 tests and 2 prompts, and of the auxiliary set the normal train images alone: each once.
    assert bench.query("SELECT sum(images) FROM tasks WHERE stage = 'encode'") == [(4 + 2 + 8,)]
    (home,) = (bench.folder / "gad-cache" / "trainings").iterdir()
    story = json.loads((home / "training.json").read_text())
    assert (story["auxiliary"], story["shots"], story["training_seed"]) == ("helper", 0, 10)
    assert len(story["losses"]) == 2
    assert np.isfinite(story["losses"]).all()
    again = Bench(tmp_path / "again")
    shutil.copytree(bench.folder / "gad-cache", again.folder / "gad-cache")
    victim = again.folder / "gad-cache" / "trainings" / home.name / "checkpoint.safetensors"
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(bytes(content))
    again.run("submit", "--grid", again.grid(grid), "--address", cluster, timeout=500)
    assert again.query("SELECT count(*) FROM tasks WHERE stage = 'train' AND images > 0") == [(1,)]
    assert again.scores() == bench.scores()


def sample(number: int, **fields: object) -> Sample:
    given = {"label": 0, "split": "train", "category": "nut", "digest": str(number), **fields}
    return Sample.model_validate({"id": f"{number}.png", "path": f"{number}.png", **given})


def unit(samples: tuple[Sample, ...]) -> TrainUnit:
    return TrainUnit(
        unit_id="",
        dataset="helper",
        model="regad",
        options="{}",
        method_key="",
        shots=0,
        training_seed=10,
        input=ImageInput(size=4),
        samples=samples,
        texts=(("nut", "nut"),),
        chunks=(),
    )


def test_what_a_training_is_shown() -> None:
    rows = [sample(0), sample(1, split="test"), sample(2, split="test", label=1), sample(3)]
    assert shown_in_training(rows, "all") == tuple(rows)
    assert [s.id for s in shown_in_training(rows, "normals")] == ["0.png", "3.png"]


def test_an_image_that_cannot_be_read_or_none_at_all_fails_the_training(tmp_path: Path) -> None:
    def trained(*samples: Sample) -> None:
        images = {"0": np.zeros((4, 4, 3), np.uint8)}
        shown = ShownImages(images, {"1": "cannot read image 1.png"})
        train_into(tmp_path, unit(samples), "nowhere:INFO", Limits(), 1, shown)

    with pytest.raises(ModelError, match=r"auxiliary set helper: cannot read image 1\.png"):
        trained(sample(0), sample(1))
    with pytest.raises(ModelError, match="helper has no normal train image to train regad on"):
        trained()


def test_the_arrays_that_a_training_maps(tmp_path: Path) -> None:
    images = {str(n): np.full((4, 4, 3), n, np.uint8) for n in range(3)}
    said = ShownImages(images, {}).write(tmp_path, unit((sample(2), sample(0, label=1, split="test"))))
    assert said["names"] == ["nut"]
    arrays = {name: np.load(said[name]) for name in ("images", "ids", "splits", "labels", "categories")}
    assert arrays["images"].shape == (2, 4, 4, 3)
    assert arrays["images"][:, 0, 0, 0].tolist() == [2, 0]
    assert arrays["ids"].tolist() == ["2.png", "0.png"]
    assert [arrays[name].tolist() for name in ("splits", "labels", "categories")] == [[0, 1], [0, 1], [0, 0]]
