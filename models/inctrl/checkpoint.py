"""Checkpoints in the layout of the InCTRL authors: read whole, every key accounted for, and written.

One flat state dict (or a dictionary that holds it under ``model_state``) with the encoder under open_clip's
names, its text tower included, and ``adapter.*``, ``diff_head.*``, ``diff_head_ref.*``. Files are read as
tensors alone: nothing in them is executed.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gad.harness import atomic
from gad.harness.errors import ModelError
from gad.models.backbones.spec import parse
from gad.models.backbones.weights import TINY
from gad.models.inctrl.fitting import Shapes, listed, require_fit, shapes_of
from gad.models.inctrl.network import InCTRLHeads

WRAPPER = "model_state"
# Part of an open_clip CLIP but of no score: the released model has no logit_scale (the text prior's
# temperature is fixed), and the causal mask of the text tower is made anew, though older versions saved it.
LOGIT_SCALE, MASK = "logit_scale", "attn_mask"


@dataclass(frozen=True)
class Released:
    """``encoder``: a full open_clip CLIP state. ``heads``: the state of ``InCTRLHeads(patches, dim)``."""

    encoder: dict[str, Tensor]
    heads: dict[str, Tensor]
    patches: int
    dim: int


def read(path: Path, backbone: str) -> Released:
    """Read an authors' checkpoint for the architecture that ``backbone`` names (its weights are not looked at).

    ``logit_scale`` may be there or not (absent, it is put in as log(100)); ``attn_mask`` is passed over.
    Raises ModelError when the file is missing, holds more than tensors, or does not fit: it lists the keys
    that are missing, not known, or of another shape or kind.
    """
    state = _flat(path)
    state.pop(MASK, None)
    encoder_shapes = clip_shapes(backbone)
    patches, dim = sizes_of(encoder_shapes)
    state.setdefault(LOGIT_SCALE, torch.tensor(math.log(100.0)))
    require_fit(
        state,
        {**encoder_shapes, **heads_shapes(patches, dim)},
        f"{path} is no InCTRL checkpoint on {backbone}",
    )
    return Released(
        encoder={name: state[name].float() for name in encoder_shapes},
        heads={name: value for name, value in state.items() if name not in encoder_shapes},
        patches=patches,
        dim=dim,
    )


def write(path: Path, encoder: Mapping[str, Tensor], heads: Mapping[str, Tensor], backbone: str) -> None:
    """Write an encoder's state and heads as the authors do, durably. Raises ModelError when they do not fit.

    Their layout has no place for the heads of an ablation, nor for ``logit_scale``.
    """
    shapes = clip_shapes(backbone)
    require_fit(encoder, shapes, f"the encoder is not {backbone}")
    require_fit(
        heads, heads_shapes(*sizes_of(shapes)), "the authors' layout is for InCTRL with all its parts"
    )
    kept = {name: value for name, value in encoder.items() if name != LOGIT_SCALE}
    temporary = atomic.temporary_name(path)
    try:
        torch.save(
            {name: value.detach().cpu().clone() for name, value in {**kept, **heads}.items()}, temporary
        )
        atomic.fsync_file(temporary)
        atomic.rename_durably(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _flat(path: Path) -> dict[str, Tensor]:
    """The state dict of a file, out of its wrapper."""
    if not path.is_file():
        raise ModelError(f"there is no checkpoint {path}", fix="Give the path of a checkpoint.pyth.")
    try:
        # Mapped: the encoder alone is most of a gigabyte. Files of old versions of torch cannot be.
        content: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # torch and pickle fail in many ways for a wrong file
        reason = (str(error).strip() or "no reason given").splitlines()[0].partition(". ")[0]
        raise ModelError(
            f"{path} cannot be read as tensors alone: {type(error).__name__}: {reason}",
            fix="Save its state dict by itself: torch.save(model.state_dict(), path).",
        ) from error
    state = content.get(WRAPPER, content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        kind = type(content if state is None else state).__name__
        raise ModelError(f"{path} holds a {kind}, expected a state dict", fix="Give a checkpoint.pyth.")
    strangers = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if strangers:
        raise ModelError(f"{path} holds more than tensors: {listed(strangers)}")
    return {str(name): value for name, value in state.items()}


def clip_shapes(backbone: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a CLIP's state; takes no memory. Raises ModelError for what is no CLIP of open_clip."""
    import open_clip

    spec = parse(backbone)
    if spec.family == "tiny":
        config: Any = json.loads((TINY / "config.json").read_text())
    else:
        config = open_clip.get_model_config(spec.name) if spec.family == "open_clip" else None
    if config is None or set(config) - {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu"}:
        raise ModelError(f"{backbone} is no CLIP with the layout of the InCTRL authors")
    with torch.device("meta"):
        return shapes_of(open_clip.CLIP(**config).state_dict())


def sizes_of(encoder: Shapes) -> tuple[int, int]:
    """Patches of an image, and width of its class token."""
    return encoder["visual.positional_embedding"][0] - 1, encoder["visual.proj"][1]


def heads_shapes(patches: int, dim: int) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return shapes_of(InCTRLHeads(patches, dim).state_dict())
