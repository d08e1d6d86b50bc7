"""One training outside of any grid: the same recipe and bits, into a folder of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gad.harness import atomic, manifest
from gad.harness.errors import UsageError
from gad.harness.executor import trainings
from gad.harness.executor.memory import in_memory
from gad.harness.executor.showing import show
from gad.harness.executor.train import train_into
from gad.harness.ids import canonical
from gad.harness.manifest import Prepared
from gad.harness.methods import input_of
from gad.harness.nouns import Limits, ModelChoice
from gad.harness.registry import Model
from gad.harness.units import TrainUnit, for_training, shown_in_training


def train_alone(
    model: Model,
    options: Any,
    prepared: Prepared,
    shots: int,
    training_seed: int,
    out: Path,
    cache: Path,
    threads: int,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Encode the auxiliary set (what the cache lacks of it) or decode it, train, and fill the folder ``out``.

    OUT/checkpoint.safetensors           what `harness score --checkpoint` takes
    OUT/training.json                    the loss of every step, seconds, what was trained on
    OUT/epochs/epoch-001.safetensors ... after each epoch, of models that have epochs

    Returns the story that is in training.json. UsageError if ``out`` is a file or not empty, ModelError if
    training fails.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        said = "is not empty" if out.is_dir() else "is a file"
        raise UsageError(f"{out} {said}", fix="Name a new folder with --out.")
    scoring = input_of(model, ModelChoice(name=model.info.name, options=options.model_dump(mode="json")))
    samples = shown_in_training(manifest.read_samples(prepared), model.info.trains_on)
    unit = TrainUnit(
        unit_id="",
        dataset=prepared.name,
        model=model.info.name,
        options=canonical(options.model_dump(mode="json")).decode(),
        method_key="",
        shots=shots,
        training_seed=training_seed,
        input=for_training(scoring),
        samples=samples,
        texts=tuple((category.category, category.text) for category in prepared.categories),
        chunks=(),
    )
    with in_memory() as folder:
        limits = Limits(part_seconds=7 * 24 * 3600, part_memory_gb=1000)
        shown = show(unit, prepared.root_path, cache, threads, tell=tell)
        tell("training")
        story = train_into(folder, unit, model.reference, limits, threads, shown)
        _fill(out, folder, story)
    return story


def _fill(out: Path, folder: Path, story: dict[str, Any]) -> None:
    """The checkpoint comes last: a folder that has one is complete."""
    out.mkdir(parents=True, exist_ok=True)
    epochs = sorted(folder.glob("epoch-*.safetensors"))
    if epochs:
        (out / "epochs").mkdir()
    for path in epochs:
        shutil.copyfile(path, out / "epochs" / path.name)
    atomic.write_bytes(out / trainings.STORY, json.dumps(story, indent=1).encode())
    atomic.write_bytes(out / trainings.CHECKPOINT, (folder / trainings.CHECKPOINT).read_bytes())
