"""What can be said of an encoder without loading it: sizes, layers, and which weights exactly.

Light: architectures are read from open_clip's own configuration files, without importing open_clip. Of timm
there are no such files; where a grid names a model of timm, and only there, timm is imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from gad.harness.errors import ModelError, did_you_mean
from gad.harness.nouns import FeatureInput, Frozen
from gad.models.backbones import mark
from gad.models.backbones.spec import BackboneSpec, default_layers, parse

CLIP_WIDTH = 768  # open_clip's, where a configuration does not say
TINY = Path(__file__).parent / "tiny"
GENERATED = "generated"  # in the metadata of a safetensors file
BY_NUMBERS = "drawn, by the mark in its numbers"  # of a file without it


class Described(Frozen):
    """``sides``: of the square patch grid of each layer, layer 1 first; ``widths``: channels of each.
    ``kind``: of the layers.

    ``layers``: those that are read if none are named. ``weights`` says which: a pretrained tag, or the
    sha256 of the weights file (20 hex digits). ``preprocessing``: empty for CLIP's.
    """

    image_size: int
    sides: tuple[int, ...]
    widths: tuple[int, ...]
    kind: Literal["blocks", "stages"]
    layers: tuple[int, ...]
    embed_dim: int
    weights: str
    preprocessing: str = ""

    @property
    def depth(self) -> int:
        return len(self.sides)


def describe(backbone: str) -> Described:
    """What an encoder gives. Raises UsageError or ModelError for one that is not known or has no weights file."""
    spec = parse(backbone)
    if spec.family == "timm":
        return _timm(spec)
    config = _config(spec)
    vision = config["vision_cfg"]
    size, patch, depth = int(vision["image_size"]), int(vision["patch_size"]), int(vision["layers"])
    return Described(
        image_size=size,
        sides=(size // patch,) * depth,
        widths=(int(vision.get("width", CLIP_WIDTH)),) * depth,
        kind="blocks",
        layers=default_layers(depth),
        embed_dim=int(config["embed_dim"]),
        weights=_weights(spec),
    )


def _timm(spec: BackboneSpec) -> Described:
    weights = _weights(spec) if spec.file else ""  # a file that is not there is found out before the import
    from gad.models.backbones import timm_models

    known = timm_models.known(spec)
    return Described(
        image_size=known.input.size,
        sides=known.sides,
        widths=known.widths,
        kind="stages" if known.staged else "blocks",
        layers=known.layers,
        embed_dim=known.embed_dim,
        weights=weights or known.tag or "default",
        preprocessing=known.preprocessing,
    )


def resolve(wanted: FeatureInput) -> FeatureInput:
    """An input with everything spelled out: the image size, the layers (default: the encoder's), the weights.

    Layers that were counted from the end become positive; each is there once. Raises UsageError or
    ModelError for what the encoder cannot give.
    """
    text = wanted.text or wanted.text_tower
    if parse(wanted.backbone).family == "timm" and (text or wanted.windows):
        missing = "text encoder" if text else "windows"
        raise ModelError(
            f"{wanted.backbone} has no {missing}: models that compare with text or windows (winclip, inctrl) "
            "need a CLIP",
            fix="Name an open_clip architecture, or tiny.",
        )
    known = describe(wanted.backbone)
    if wanted.normed and known.kind == "stages":
        raise ModelError(
            f"{wanted.backbone} has no norm after its last stage, and tokens are wanted after that",
            fix="Name a ViT.",
        )
    stages = wanted.stages if known.kind == "stages" else ()
    asked = wanted.layers or stages or known.layers
    if wrong := [layer for layer in asked if not 1 <= abs(layer) <= known.depth]:
        raise ModelError(
            f"layers {wrong} do not exist: {wanted.backbone} has {known.kind} 1 to {known.depth}",
            fix="From the end they are -1, -2 and so on.",
        )
    layers = tuple(dict.fromkeys(layer if layer > 0 else known.depth + 1 + layer for layer in asked))
    sides = [known.sides[layer - 1] for layer in layers]
    if wanted.nearest and len(set(sides)) > 1:
        # Who asks for distances averages them over layers, patch by patch.
        grids = ", ".join(f"{layer}: {side}x{side}" for layer, side in zip(layers, sides, strict=True))
        raise ModelError(
            f"layers of {wanted.backbone} have different patches ({grids}): their distances do not go together",
            fix="Name one layer, or layers of one grid.",
        )
    if large := [size for size in wanted.windows if not 1 <= size <= min(sides)]:
        raise ModelError(
            f"windows of {large} do not fit: {wanted.backbone} has {sides[0]}x{sides[0]} patches"
        )
    return wanted.model_copy(
        update={
            "size": known.image_size,
            "layers": layers,
            "stages": (),
            "weights": known.weights,
            "preprocessing": known.preprocessing,
        }
    )


def _config(spec: BackboneSpec) -> dict[str, Any]:
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


def generated(backbone: str) -> str:
    """What a weights file says of having been generated and not trained (:mod:`gad.models.backbones.generated`), in
    its metadata or else by its numbers.

    Empty for every other backbone, and for a file that is not there.
    """
    file = parse(backbone).file
    if not file:
        return ""
    try:
        return _said(file) or (BY_NUMBERS if mark.there(Path(file)) else "")
    except OSError:
        return ""  # who reads its weights says what is wrong with it


def _said(file: str) -> str:
    """The metadata of a safetensors file; empty for another."""
    if Path(file).suffix != ".safetensors":
        return ""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            return str((opened.metadata() or {}).get(GENERATED, ""))
    except SafetensorError:
        return ""


@lru_cache(maxsize=64)
def _file_digest(path: Path, _size: int, _mtime: int) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:20]
