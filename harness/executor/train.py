"""Running one training in a supervised process. Runs in a worker; knows nothing of Ray."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gad.harness.errors import ModelError
from gad.harness.executor import trainings
from gad.harness.executor.given import backbone_digest
from gad.harness.executor.score import Order, in_memory
from gad.harness.executor.supervise import Child, ChildEnded
from gad.harness.executor.texts import text_embeddings
from gad.harness.features.shards import Stream
from gad.harness.nouns import FeatureInput, Limits
from gad.harness.units import TrainUnit

if TYPE_CHECKING:
    from gad.harness.features.store import FeatureStore


def train(unit: TrainUnit, order: Order, store: FeatureStore, encoder: str, errors: Mapping[str, str]) -> str:
    """Train, keep the checkpoint in the cache, and return "" or what went wrong."""
    info = order.methods[unit.method_key].info
    with in_memory() as folder:
        try:
            story = train_into(folder, unit, info, order.limits, order.threads, store, encoder, errors)
        except ModelError as error:
            return with_notes(error)
        trainings.keep(Path(order.cache), unit.unit_id, folder / trainings.CHECKPOINT, story)
    return ""


def with_notes(error: Exception) -> str:
    """What an error says, and where in an adapter's code it was raised."""
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def train_into(
    folder: Path,
    unit: TrainUnit,
    info: str,
    limits: Limits,
    threads: int,
    store: FeatureStore,
    encoder: str,
    errors: Mapping[str, str],
) -> dict[str, Any]:
    """Train in a process of its own; the checkpoint and those after each epoch go into ``folder``.

    Returns the training's story: what was trained on what, the loss of every step, seconds. Raises
    ModelError with what went wrong; where in the adapter's code is a note to it.
    """
    unreadable = [errors[sample.digest] for sample in unit.samples if sample.digest in errors]
    if unreadable:
        raise ModelError(f"auxiliary set {unit.dataset}: {unreadable[0]}")
    assert isinstance(unit.input, FeatureInput)
    header = {**trainings.header_for(unit, encoder), "backbone_digest": backbone_digest(unit.input, threads)}
    message = {
        "do": "train",
        "header": header,
        **_arrays(folder, unit, store, encoder),
        "tower": _tower(unit, threads),
        "shots": unit.shots,
        "seed": unit.training_seed,
        "info": info,
        "options": header["options"],
        "out": str(folder),
    }
    child = Child(threads)
    try:
        reply = child.ask(message, limits)
    except ChildEnded as ended:
        raise ModelError(f"{ended}; last output: {child.last_output[-500:]}") from ended
    finally:
        child.close()
    if "error" in reply:
        kind = "" if reply["error_type"] == ModelError.__name__ else f"{reply['error_type']}: "
        failed = ModelError(f"{kind}{reply['error']}")
        failed.add_note(reply["traceback"][-2000:])
        raise failed
    return {**header, "losses": reply["losses"], "seconds": reply["seconds"]}


def _tower(unit: TrainUnit, threads: int) -> dict[str, object] | None:
    """Which encoder's text tower the training process is to load, if any."""
    wanted = unit.input
    if not isinstance(wanted, FeatureInput) or not wanted.text_tower:
        return None
    return {"wanted": wanted.model_dump(mode="json"), "threads": threads}


def _arrays(folder: Path, unit: TrainUnit, store: FeatureStore, encoder: str) -> dict[str, object]:
    """Write what training looks at into files; layers one by one, for they are large."""
    wanted = unit.input
    assert isinstance(wanted, FeatureInput)
    digests = [sample.digest for sample in unit.samples]
    names = [category for category, _ in unit.texts]
    files = {
        "class": store.read(Stream(encoder=encoder, name="class"), digests),
        "ids": np.array([sample.id for sample in unit.samples]),
        "splits": np.array([sample.split == "test" for sample in unit.samples], dtype=np.int8),
        "labels": np.array([sample.label for sample in unit.samples], dtype=np.int8),
        "categories": np.array([names.index(sample.category) for sample in unit.samples], dtype=np.int64),
    }
    if wanted.text:
        files["texts"] = np.stack([text_embeddings(store, encoder, text) for _, text in unit.texts])
    for name, rows in files.items():
        np.save(folder / f"{name}.npy", rows, allow_pickle=False)
    tokens = {}
    for layer in wanted.layers if wanted.tokens else ():
        path = folder / f"{wanted.stream(layer)}.npy"
        np.save(path, store.read(Stream(encoder=encoder, name=path.stem), digests), allow_pickle=False)
        tokens[str(layer)] = str(path)
    paths: dict[str, object] = {name: str(folder / f"{name}.npy") for name in files}
    return {"texts": None, **paths, "tokens": tokens, "names": names}
