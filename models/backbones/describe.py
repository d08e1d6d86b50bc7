"""What can be said of an encoder without loading it: sizes, layers, and which weights exactly.

Light: architectures are read from open_clip's own configuration files, without importing open_clip.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

from gad.harness.errors import ModelError, did_you_mean
from gad.harness.nouns import FeatureInput, Frozen
from gad.models.backbones.spec import BackboneSpec, default_layers, parse

TINY = Path(__file__).parent / "tiny"


class Described(Frozen):
    """``weights`` says which: a pretrained tag, or the sha256 of the weights file (20 hex digits)."""

    image_size: int
    patches: int
    depth: int
    width: int
    embed_dim: int
    weights: str


def describe(backbone: str) -> Described:
    """Sizes of a CLIP. Raises UsageError or ModelError for one that is not known or has no weights file."""
    spec = parse(backbone)
    config = _config(spec)
    vision = config["vision_cfg"]
    size, patch = int(vision["image_size"]), int(vision["patch_size"])
    return Described(
        image_size=size,
        patches=(size // patch) ** 2,
        depth=int(vision["layers"]),
        width=int(vision["width"]),
        embed_dim=int(config["embed_dim"]),
        weights=_weights(spec),
    )


def resolve(wanted: FeatureInput) -> FeatureInput:
    """An input with everything spelled out: the image size, the layers (default: InCTRL's), the weights.

    Layers that were counted from the end become positive; each is there once.
    """
    known = describe(wanted.backbone)
    asked = wanted.layers or default_layers(known.depth)
    wrong = [layer for layer in asked if not 1 <= abs(layer) <= known.depth]
    if wrong:
        raise ModelError(
            f"layers {wrong} do not exist: {wanted.backbone} has blocks 1 to {known.depth}",
            fix="From the end they are -1, -2 and so on.",
        )
    layers = tuple(dict.fromkeys(layer if layer > 0 else known.depth + 1 + layer for layer in asked))
    side = math.isqrt(known.patches)
    if large := [size for size in wanted.windows if not 1 <= size <= side]:
        raise ModelError(f"windows of {large} do not fit: {wanted.backbone} has {side}x{side} patches")
    return wanted.model_copy(update={"size": known.image_size, "layers": layers, "weights": known.weights})


def _config(spec: BackboneSpec) -> dict[str, Any]:
    if spec.family == "timm":
        raise ModelError(f"{spec} is not a CLIP", fix="Name an open_clip architecture, or tiny.")
    if spec.family == "tiny":
        path = TINY / "config.json"
    else:
        found = importlib.util.find_spec("open_clip")
        if found is None or not found.submodule_search_locations:
            raise ModelError("open_clip is not installed", fix="Install open_clip_torch.")
        folder = Path(found.submodule_search_locations[0]) / "model_configs"
        path = folder / f"{spec.name}.json"
        if not path.is_file():
            names = [config.stem for config in folder.glob("*.json")]
            raise ModelError(f"unknown open_clip architecture {spec.name!r}.{did_you_mean(spec.name, names)}")
    config: dict[str, Any] = json.loads(path.read_text())
    if not isinstance(config.get("vision_cfg", {}).get("patch_size"), int):
        raise ModelError(
            f"the vision tower of {spec.name} is not a plain ViT", fix="Name a ViT architecture."
        )
    return config


def _weights(spec: BackboneSpec) -> str:
    if spec.tag:
        return spec.tag
    path = TINY / "tiny.safetensors" if spec.family == "tiny" else Path(spec.file)
    try:
        stat = path.stat()
    except OSError:
        raise ModelError(
            f"weights of {spec} are not there: no file {path}",
            fix="Give the path of an existing weights file.",
        ) from None
    return _file_digest(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _file_digest(path: Path, _size: int, _mtime: int) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:20]
