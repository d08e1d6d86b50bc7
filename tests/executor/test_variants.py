"""InCTRL's nine variants on one encoder: what they share is computed once, and counted here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gad.datasets.prepare import by_name
from gad.harness import plan, registry, work
from gad.harness.executor import inputs
from gad.harness.executor.encode import encode, open_store
from gad.harness.features.nearest import RunningNearest
from gad.harness.nouns import Grid, ModelChoice
from gad.harness.planned import Source
from gad.models.backbones.clip import ClipEncoder

VARIANTS = [{"components": kept} for kept in ("TPI", "TP", "TI", "PI", "T", "P", "I")]
VARIANTS += [{"residual": kind} for kind in ("concat", "average")]
SHOTS = (1, 2)


@pytest.fixture
def units(tmp_path: Path) -> work.Work:
    """All variants, two K, two seeds, two categories of 3 train and 4 test images."""
    generator = np.random.default_rng(0)
    for category in ("nut", "bolt"):
        for place, count in (("train/good", 3), ("test/good", 2), ("test/scratch", 2)):
            (tmp_path / "parts" / category / place).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "parts" / category / place / f"{number}.png")
    prepared = by_name(str(tmp_path / "parts"), tmp_path / "data")
    known, source = registry.load(), Source(name=prepared.name, prepared=prepared)
    options = known.find("inctrl").info.options
    grid = Grid(
        name="ablation",
        models=tuple(
            ModelChoice(name="inctrl", options=options.model_validate(fields).model_dump(mode="json")).on(
                "tiny"
            )
            for fields in VARIANTS
        ),
        datasets=("parts",),
        shots=SHOTS,
        seeds=(0, 1),
        backbone="tiny",
        auxiliary={"default": "parts"},
    )
    made = plan.make(grid, {"parts": source}, known, {}, auxiliary={"parts": source})
    return work.make(made, frozenset({"new"}))


def test_what_variants_share_is_computed_once(
    units: work.Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[str] = Counter()

    def counted(owner: Any, name: str, size: Any) -> None:
        original = getattr(owner, name)

        def run(self: Any, given: Any, *rest: Any, **named: Any) -> Any:
            seen.update({name: size(given)})
            return original(self, given, *rest, **named)

        monkeypatch.setattr(owner, name, run)

    # Batches are filled up with blank images: those that are not blank are counted.
    counted(ClipEncoder, "images", lambda pixels: int(pixels.any(axis=(1, 2, 3)).sum()))
    counted(ClipEncoder, "texts", len)
    counted(RunningNearest, "add", lambda _: 1)

    assert len(units.train) == len(VARIANTS) * len(SHOTS)
    # A category and seed are scored together, for every variant and K.
    assert len(units.score) == 2 * 2
    assert {len(unit.parts) for unit in units.score} == {len(VARIANTS) * len(SHOTS)}
    for chunk in units.encode.values():
        key = encode(chunk, tmp_path / "cache", 1).key
    assert seen["images"] == 2 * 7
    # 11 states in 22 templates for each of two names; what they have in common is no sentence.
    assert seen["texts"] == 2 * 242

    store = open_store(tmp_path / "cache")
    for number, unit in enumerate(units.score):
        (tmp_path / str(number)).mkdir()
        given = inputs.FeatureInputs(tmp_path / str(number), unit, inputs.Encodings(store, key))
        told = [given.message(part) for part in unit.parts]
        # Every file is written once, and all variants with the same K are told the same one.
        for shots in SHOTS:
            of_k = [
                message["nearest"]
                for message, part in zip(told, unit.parts, strict=True)
                if part.shots == shots and part.input.nearest
            ]
            assert len(of_k) == 5  # TPI, TP, PI, P, and TI, whose map has a value a patch
            assert all(files == of_k[0] for files in of_k)
        assert len({message["texts"] for message in told} - {None}) == 1
    # Three layers, two prompts each (K = 1 is on the way to K = 2), once a category and seed.
    assert seen["add"] == 4 * 3 * 2
    assert seen["images"] == 2 * 7
    assert seen["texts"] == 2 * 242
