"""Bringing in a checkpoint that was made elsewhere: read once, checked, and kept like a training's."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gad.harness.adapter import Given
from gad.harness.errors import ModelError
from gad.harness.executor import trainings
from gad.harness.executor.encode import DEVICES, encoder_key, encoder_of
from gad.harness.executor.loaded import load
from gad.harness.executor.memory import in_memory
from gad.harness.executor.order import Order
from gad.harness.executor.supervise import Child, ChildEnded
from gad.harness.nouns import FeatureInput, ImageInput, Input, ModelInfo
from gad.harness.units import TrainUnit
from gad.models.backbones import weights


def bring(unit: TrainUnit, order: Order) -> str:
    """Read ``unit.checkpoint``, keep its weights in the cache, and return "" or what is wrong with it."""
    wanted = unit.input
    header = {**trainings.header_for(unit, _key(wanted, order.threads)), "checkpoint": unit.checkpoint}
    with in_memory() as folder:
        message = {
            "do": "bring",
            "info": order.methods[unit.method_key].info,
            "options": header["options"],
            "checkpoint": unit.checkpoint,
            "backbone": wanted.backbone if isinstance(wanted, FeatureInput) else "",
            "header": header,
            "out": str(folder),
        }
        child = Child(order.threads)
        try:
            reply = child.ask(message, order.limits)
        except ChildEnded as ended:
            return f"{ended}; last output: {child.last_output[-500:]}"
        finally:
            child.close()
        if "error" in reply:
            return f"{reply['error_type']}: {reply['error']}"
        try:
            fits(Path(unit.checkpoint), reply, wanted, order.threads)
        except ModelError as error:
            return str(error)
        story = {**header, "losses": [], "seconds": 0.0, "made_for_shots": reply["shots"]}
        trainings.keep(Path(order.cache), unit.unit_id, folder / trainings.CHECKPOINT, story)
    return ""


def read(
    checkpoint: Path, info: ModelInfo, options: Any, wanted: Input, threads: int
) -> tuple[dict[str, Any], int | None]:
    """Arrays of a checkpoint for use outside of a grid, and the K it was trained for if it says so.

    Raises ModelError for one that does not fit the model or was trained on another encoder.
    """
    if info.importer:
        backbone = wanted.backbone if isinstance(wanted, FeatureInput) else ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about strange files; errors say what is wrong
            found: Given = load(info.importer)(checkpoint, backbone, options)
        fits(checkpoint, {"encoder": found.encoder, "encoder_digest": found.encoder_digest}, wanted, threads)
        return found.arrays, found.shots
    if checkpoint.suffix != ".safetensors":
        raise ModelError(
            f"{checkpoint} is no .safetensors file, and {info.name} reads no others",
            fix="Name a checkpoint that `harness train` wrote.",
        )
    from safetensors.numpy import load_file

    said = trainings.header(checkpoint)
    fits(checkpoint, {"encoder": said["encoder"], "encoder_digest": ""}, wanted, threads)
    return load_file(checkpoint), None if info.one_training else int(said["shots"])


def backbone_digest(wanted: FeatureInput, threads: int) -> str:
    """sha256 of a CLIP's tensors as an authors' checkpoint holds them; empty for other encoders."""
    from gad.models.backbones.clip import ClipEncoder

    encoder = encoder_of(wanted, threads)
    return weights.frozen_digest(encoder.model.state_dict()) if isinstance(encoder, ClipEncoder) else ""


def _key(wanted: Input, threads: int) -> str:
    """The feature store's key of the encoder, empty for images."""
    if isinstance(wanted, ImageInput):
        return ""
    return encoder_key(encoder_of(wanted, threads), wanted.resize)


def fits(path: Path, said: Mapping[str, object], wanted: Input, threads: int) -> None:
    """Raises ModelError for a checkpoint that was trained on another encoder than the one it is used with.

    A model that looks at images has none: its checkpoint holds all its weights.
    """
    if isinstance(wanted, ImageInput):
        return
    encoder = encoder_of(wanted, threads)
    # Its features may have come from a GPU: the same encoder, last bits aside.
    keys = {encoder_key(encoder, wanted.resize, device) for device in DEVICES}
    other = bool(said["encoder"]) and said["encoder"] not in keys
    if said["encoder_digest"] and not other:
        other = said["encoder_digest"] != backbone_digest(wanted, threads)
    if other:
        raise ModelError(
            f"{path} was trained on another encoder than {wanted.backbone}",
            fix="Name its own encoder as the backbone; a checkpoint that carries one: NAME:CHECKPOINT.",
        )
