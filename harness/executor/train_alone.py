"""One training outside of any grid: the same recipe and bits, into a folder of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gad.harness import atomic, manifest
from gad.harness.chunks import CHUNK_IMAGES
from gad.harness.errors import UsageError
from gad.harness.executor import trainings
from gad.harness.executor.encode import encode, open_store, torch_threads
from gad.harness.executor.score import in_memory
from gad.harness.executor.train import train_into
from gad.harness.ids import canonical
from gad.harness.manifest import Prepared
from gad.harness.nouns import FeatureInput, Limits
from gad.harness.registry import Model
from gad.harness.units import EncodeUnit, TrainUnit
from gad.harness.work import for_training


def train_alone(
    model: Model,
    options: Any,
    scoring: FeatureInput,
    prepared: Prepared,
    shots: int,
    training_seed: int,
    out: Path,
    cache: Path,
    threads: int,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Encode the auxiliary set (what the cache lacks of it), train, and fill the folder ``out``.

    OUT/checkpoint.safetensors           what `harness score --checkpoint` takes
    OUT/training.json                    the loss of every step, seconds, what was trained on
    OUT/epochs/epoch-001.safetensors ... after each epoch, of models that have epochs

    Returns the story that is in training.json. UsageError if ``out`` is a file or not empty, ModelError if
    training fails.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        said = "is not empty" if out.is_dir() else "is a file"
        raise UsageError(f"{out} {said}", fix="Name a new folder with --out.")
    torch_threads(threads)
    samples, texts = tuple(manifest.read_samples(prepared)), _texts(prepared)
    wanted = for_training(scoring)
    unit = TrainUnit(
        unit_id="",
        dataset=prepared.name,
        model=model.info.name,
        options=canonical(options.model_dump(mode="json")).decode(),
        method_key="",
        shots=shots,
        training_seed=training_seed,
        input=wanted,
        samples=samples,
        texts=texts,
        chunks=(),
    )
    key, errors = "", dict[str, str]()
    for start in range(0, len(samples), CHUNK_IMAGES):
        chunk = EncodeUnit(
            unit_id="",
            dataset=prepared.name,
            root=str(prepared.root_path),
            input=wanted,
            samples=tuple({s.digest: s for s in samples[start : start + CHUNK_IMAGES]}.values()),
            names=tuple(dict.fromkeys(text for _, text in texts)) if wanted.text and not start else (),
        )
        done = encode(chunk, cache, threads)
        key = done.key
        errors.update(done.errors)
        tell(f"encoded {min(start + CHUNK_IMAGES, len(samples))} of {len(samples)} images")
    tell("training")
    with in_memory() as folder:
        limits = Limits(part_seconds=7 * 24 * 3600, part_memory_gb=1000)
        story = train_into(folder, unit, model.reference, limits, threads, open_store(cache), key, errors)
        _fill(out, folder, story)
    return story


def _texts(prepared: Prepared) -> tuple[tuple[str, str], ...]:
    return tuple((category.category, category.text) for category in prepared.categories)


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
