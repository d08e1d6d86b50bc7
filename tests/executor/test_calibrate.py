"""Measuring a machine for an estimate: every untrained method gets a rate, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

from gad.harness import estimate, plan, registry, sources
from gad.harness.cli import estimating
from gad.harness.executor.score import CHILDREN
from gad.harness.nouns import Grid, ModelChoice


def test_every_untrained_method_is_measured(bundled: Path, tmp_path: Path) -> None:
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
