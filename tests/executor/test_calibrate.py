"""Measuring a machine for an estimate: every method gets a rate, trained ones too, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import raws

from gad.datasets.prepare import by_name
from gad.harness import estimate, plan, registry, sources
from gad.harness.cli import estimating
from gad.harness.executor.attempts import CHILDREN
from gad.harness.nouns import Grid, ModelChoice
from gad.harness.planned import Source
from gad.models.backbones import generated


def test_every_method_is_measured(bundled: Path, tmp_path: Path) -> None:
    known = registry.load()
    models = (
        ModelChoice(name="pixel-knn", options={"size": 8}),
        ModelChoice(name="winclip", options={"backbone": "tiny"}),
    )
    # An encoder's features have another key when whole images are shown to it.
    grid = Grid(name="g", models=models, datasets=("textures",), shots=(2,), seeds=(0,), resize="pad")
    grid = grid.model_copy(update={"limits": grid.limits.model_copy(update={"test_images": 8})})
    found = sources.load(grid, bundled, prepare_bundled=False)
    trial = plan.make(estimating.small(grid), found, known, {})
    rates = estimating.rates(tmp_path / "results", trial, known)
    assert rates.origin == "measured"
    assert rates.encode.keys() == {"", "tiny"}
    assert rates.method.keys() == {job.method_key for job in trial.jobs}
    assert all(0 < rate < 10 for rate in (*rates.encode.values(), *rates.method.values()))
    cost = estimate.estimate(plan.make(grid, found, known, {}), rates, tmp_path, workers=2)
    assert cost.unknown == ()
    assert cost.hours > 0
    assert not CHILDREN.idle
    assert list(tmp_path.iterdir()) == []


def trial_of(folder: Path, models: tuple[ModelChoice, ...]) -> plan.Plan:
    """Of trained models on the folder's parts, with helper as their auxiliary set."""
    target, helper = (by_name(str(folder / name), folder / "data") for name in ("parts", "helper"))
    grid = Grid(name="g", models=models, datasets=("parts",), shots=(2,), seeds=(0,), backbone="tiny",
                training_seeds=(8, 9), auxiliary={"default": "helper"})  # fmt: skip
    found = {"parts": Source(name="parts", prepared=target)}
    auxiliary = {"helper": Source(name="helper", prepared=helper)}
    return plan.make(grid, found, registry.load(), {}, auxiliary=auxiliary)


def chosen(model: str, **options: object) -> ModelChoice:
    made = registry.load().find(model).info.options.model_validate(options)
    return ModelChoice(name=model, options=made.model_dump(mode="json"))


@pytest.fixture
def regad(tmp_path: Path) -> ModelChoice:
    generated.write("timm:resnet18", tmp_path / "resnet18.safetensors")
    return chosen(
        "regad", epochs=10_000, size=48, backbone=f"timm:resnet18:{tmp_path / 'resnet18.safetensors'}"
    )


def test_a_training_is_measured_by_two_short_ones(
    tmp_path: Path, regad: ModelChoice, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is told is of the whole: 100,000 steps on features, 10,000 epochs of images. The methods are scored, too."""
    raws.mvtec(tmp_path / "parts", "nut")
    raws.mvtec(tmp_path / "helper", "bolt", "screw")
    models = (chosen("inctrl", epochs=100, steps=1000, batch=4, backbone="tiny"), regad)
    trial = trial_of(tmp_path, models)
    rates = estimating.rates(tmp_path / "results", trial, registry.load())
    assert capsys.readouterr().err == ""
    assert rates.train.keys() == {"inctrl", "regad"}
    assert min(rates.train.values()) > 10  # each trial takes less than a second
    assert rates.method.keys() == {job.method_key for job in trial.jobs}
    cost = estimate.estimate(trial_of(tmp_path, models), rates, tmp_path, workers=1)
    assert cost.unknown == ()
    assert cost.train_seconds == pytest.approx(2 * sum(rates.train.values()))
    assert not CHILDREN.idle
    assert not (tmp_path / "results").exists()


def test_a_training_that_fails_is_named_and_its_time_is_not_known(
    tmp_path: Path, regad: ModelChoice, capsys: pytest.CaptureFixture[str]
) -> None:
    """RegAD registers pairs of normal images, and there is one."""
    raws.mvtec(tmp_path / "parts", "nut")
    for number, place in enumerate(("train/good", "test/good", "test/bent")):
        raws.picture(tmp_path / "helper" / "bolt" / place / "0.png", raws.noise(number, 8, 8, 3))
    rates = estimating.rates(tmp_path / "results", trial_of(tmp_path, (regad,)), registry.load())
    assert (
        "regad cannot be tried: auxiliary category bolt has 1 normal train image" in capsys.readouterr().err
    )
    assert (rates.train, rates.method) == ({}, {})
