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
from gad.harness.executor.decode import pixels_of
from gad.harness.executor.encode import encode, open_store, torch_threads
from gad.harness.executor.score import in_memory
from gad.harness.executor.shown import Shown, ShownFeatures, ShownImages
from gad.harness.executor.train import train_into
from gad.harness.ids import canonical
from gad.harness.manifest import Prepared
from gad.harness.nouns import FeatureInput, ImageInput, Limits
from gad.harness.nouns import Input as Wanted
from gad.harness.registry import Model
from gad.harness.units import EncodeUnit, TrainUnit, for_training, shown_in_training


def train_alone(
    model: Model,
    options: Any,
    scoring: Wanted,
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
    torch_threads(threads)
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
        if isinstance(unit.input, ImageInput):
            shown = _decoded(unit, unit.input, prepared, tell)
        else:
            shown = _encoded(unit, unit.input, prepared, cache, threads, tell)
        tell("training")
        story = train_into(folder, unit, model.reference, limits, threads, shown)
        _fill(out, folder, story)
    return story


def _decoded(unit: TrainUnit, wanted: ImageInput, prepared: Prepared, tell: Callable[[str], None]) -> Shown:
    distinct = list({sample.digest: sample for sample in unit.samples}.values())
    pixels, errors = pixels_of(distinct, prepared.root_path, wanted)
    tell(f"decoded {len(distinct)} images")
    return ShownImages({sample.digest: rows for sample, rows in zip(distinct, pixels, strict=True)}, errors)


def _encoded(
    unit: TrainUnit,
    wanted: FeatureInput,
    prepared: Prepared,
    cache: Path,
    threads: int,
    tell: Callable[[str], None],
) -> Shown:
    samples, names = unit.samples, tuple(dict.fromkeys(text for _, text in unit.texts))
    key, errors = "", dict[str, str]()
    for start in range(0, len(samples), CHUNK_IMAGES):
        chunk = EncodeUnit(
            unit_id="",
            dataset=prepared.name,
            root=str(prepared.root_path),
            input=wanted,
            samples=tuple({s.digest: s for s in samples[start : start + CHUNK_IMAGES]}.values()),
            names=names if wanted.text and not start else (),
        )
        done = encode(chunk, cache, threads)
        key = done.key
        errors.update(done.errors)
        tell(f"encoded {min(start + CHUNK_IMAGES, len(samples))} of {len(samples)} images")
    return ShownFeatures(open_store(cache), key, errors, threads)


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
