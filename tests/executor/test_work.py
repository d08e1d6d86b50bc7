"""What a plan becomes: units of work, and what has to be there before any of them can start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gad.datasets import catalog
from gad.harness import gridfile, lacking, plan, registry, sources, work
from gad.harness.executor.submit import _sentinels
from gad.harness.plan import Only, Plan
from gad.harness.plancost import encode_images
from gad.harness.plandisk import feature_bytes


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two folders in MVTec layout whose only category has one name, and so one class text."""
    draw = np.random.default_rng(0)
    for name in ("first", "second"):
        for place in ("train/good", "test/good", "test/scratch"):
            (tmp_path / name / "nut" / place).mkdir(parents=True)
            for number in range(2):
                pixels = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / name / "nut" / place / f"{number}.png")
    return tmp_path


def planned(folder: Path, grid: str, only: Only | None = None) -> Plan:
    known = registry.load()
    text = f"{grid}\nseeds: [0]\nbackbone: tiny\n"
    made = gridfile.parse(
        text, gridfile.Known(known.infos, catalog.DATASETS), file="grid.yaml", folder=folder
    )
    found = sources.load(made, folder / "data", prepare_bundled=False)
    auxiliary = sources.load_auxiliary(made, known, folder / "data", prepare_bundled=False)
    return plan.make(made, found, known, {}, auxiliary=auxiliary, only=only)


def test_masks_are_looked_for_in_the_own_dataset(raw: Path) -> None:
    """The second dataset shares the chunk with the class text of the first, but not the place of its masks."""
    both = planned(raw, "models: [winclip]\ndatasets: [./first, ./second]\nshots: [1]")
    made = work.make(both, frozenset({"new"}))
    assert {unit.dataset: unit.root for unit in made.score} == {
        name: str(raw / name) for name in ("first", "second")
    }
    assert made.encode[made.score[1].chunks[0]].dataset == "first"


def test_a_unit_of_texts_alone_is_no_obstacle(raw: Path) -> None:
    """At K = 0 no prompts are encoded, and streamed test images are in units of their own."""
    zero = planned(raw, "models: [clip-zero-shot]\ndatasets: [./first]\nshots: [0]")
    made = work.make(zero, frozenset({"new"}), stream=True)
    assert [len(unit.samples) for unit in made.encode.values()] == [0, 4]
    tests = raw / "first/nut/test"
    assert _sentinels(made) == [str(tests / "good/0.png"), str(tests / "scratch/1.png")]


def test_what_several_datasets_have_in_common_is_counted_once(raw: Path, tmp_path: Path) -> None:
    """The second dataset has the images of the first: they meet the encoder, and are kept, once."""
    for image in (raw / "first").rglob("*.png"):
        (raw / "second" / image.relative_to(raw / "first")).write_bytes(image.read_bytes())
    models = "models: [anomalydino]\nshots: [2]\ndatasets: "
    one, both = planned(raw, models + "[./first]"), planned(raw, models + "[./first, ./second]")
    assert encode_images(one, tmp_path) == encode_images(both, tmp_path) == 6
    assert feature_bytes(one, tmp_path) == feature_bytes(both, tmp_path) > 0


def test_a_training_pays_for_its_auxiliary_set(raw: Path, tmp_path: Path) -> None:
    """Four test images and a prompt; and the six images of the set that it is trained on."""
    made = planned(raw, "models: [inctrl]\ndatasets: [./first]\nshots: [1]\nauxiliary: ./second")
    assert encode_images(made, tmp_path) == 4 + 1 + 6
    (training,) = made.trainings
    done = tmp_path / "trainings" / training / "training.json"
    done.parent.mkdir(parents=True)
    done.touch()
    assert encode_images(made, tmp_path) == 4 + 1


def test_an_auxiliary_set_is_missed_only_by_those_that_are_trained_on_it(tmp_path: Path) -> None:
    grid = "models: [pixel-knn, inctrl]\ndatasets: [textures]\nshots: [1]\nauxiliary: mvtec"
    every = planned(tmp_path, grid)
    assert [lack.name for lack in lacking.find(every)] == ["mvtec"]
    assert len(every.missing) == 1
    untrained = planned(tmp_path, grid, lambda model, *_: model == "pixel-knn")
    assert (untrained.missing, lacking.find(untrained)) == ([], [])


@pytest.mark.parametrize(
    ("checkpoint", "jobs", "said"),
    [
        ("heads.pyth", 1, "heads.pyth of inctrl is not there"),  # one file, however many seeds the grid lists
        ("{training_seed}.pyth", 2, "8.pyth of inctrl is not there"),
        ("{k}.pyth", 1, "'k' is none of auxiliary, shots, training_seed"),
        ("{shots[0]}.pyth", 1, "cannot be filled in"),
        ("{shots.real.x}.pyth", 1, "cannot be filled in"),
        ("{shots", 1, "cannot be filled in"),
    ],
)
def test_checkpoints_that_are_given(raw: Path, checkpoint: str, jobs: int, said: str) -> None:
    grid = (
        f"models: [{{name: inctrl, options: {{checkpoint: '{checkpoint}'}}}}]\n"
        "datasets: [./first]\nshots: [1]\nauxiliary: ./second\ntraining_seeds: [8, 9]"
    )
    made = planned(raw, grid)
    assert len(made.jobs) == jobs
    assert said in made.jobs[0].invalid
