"""Training in the process that adapter code runs in, and reading checkpoints that were made elsewhere.

Commands of :mod:`gad.harness.executor.child`. A training knows nothing of the run: it gets array files of the
auxiliary set (read-only), and leaves checkpoints in a folder.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import numpy as np

from gad.harness.adapter import Auxiliary, AuxiliaryImages, Context, Features, TextTower
from gad.harness.executor.loaded import load, mapped, save


def train(message: dict[str, Any]) -> dict[str, Any]:
    """Let an adapter train on the auxiliary set; its checkpoints go into the folder ``out``."""
    info = load(message["info"])
    context = Context(category="", text="", seed=message["seed"])
    adapter = load(info.adapter)(info.options.model_validate(message["options"]), context)
    auxiliary = _images(message) if message["kind"] == "images" else _features(message)
    random.seed(context.seed)
    np.random.seed(context.seed % 2**32)
    started = time.perf_counter()
    checkpoint = adapter.train(auxiliary)
    for number, arrays in enumerate(checkpoint.epochs, start=1):
        header = {**message["header"], "epoch": number}
        save(arrays, f"{message['out']}/epoch-{number:03d}.safetensors", header)
    save(checkpoint.arrays, f"{message['out']}/checkpoint.safetensors", message["header"])
    return {"losses": list(checkpoint.losses), "seconds": time.perf_counter() - started}


def _labelled(message: dict[str, Any]) -> dict[str, Any]:
    arrays = {name: mapped(message[name]) for name in ("ids", "splits", "labels", "categories")}
    return {**arrays, "names": tuple(message["names"]), "shots": message["shots"]}


def _images(message: dict[str, Any]) -> AuxiliaryImages:
    return AuxiliaryImages(images=mapped(message["images"]), **_labelled(message))


def _features(message: dict[str, Any]) -> Auxiliary:
    features = Features(
        class_tokens=mapped(message["class"]),
        tokens={int(layer): mapped(path) for layer, path in message["tokens"].items()},
    )
    return Auxiliary(
        features=features,
        texts=mapped(message["texts"]) if message["texts"] else None,
        tower=_tower(**message["tower"]) if message["tower"] else None,
        **_labelled(message),
    )


def _tower(wanted: dict[str, Any], threads: int) -> TextTower:
    """The text tower of the encoder whose features training sees."""
    from gad.harness.executor.encode import encoder_of
    from gad.harness.nouns import FeatureInput
    from gad.models.backbones import clip, text_tower

    encoder = encoder_of(FeatureInput.model_validate(wanted), threads)
    assert isinstance(encoder, clip.ClipEncoder)  # planning refuses others
    return text_tower.TextTower(encoder)


def bring(message: dict[str, Any]) -> dict[str, Any]:
    """Read a checkpoint made elsewhere with the model's importer; its arrays go into the folder ``out``."""
    started = time.perf_counter()
    info = load(message["info"])
    given = load(info.importer)(
        Path(message["checkpoint"]), message["backbone"], info.options.model_validate(message["options"])
    )
    save(given.arrays, f"{message['out']}/checkpoint.safetensors", message["header"])
    said = {"shots": given.shots, "encoder": given.encoder, "encoder_digest": given.encoder_digest}
    return {**said, "seconds": time.perf_counter() - started}
