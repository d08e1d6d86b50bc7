"""Finding an encoder's weights, and never anything else: missing weights stop with where to get them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gad.harness.errors import ModelError, did_you_mean
from gad.models.backbones.spec import BackboneSpec

if TYPE_CHECKING:
    import torch

WANTED = "Give a safetensors file, or a torch file that holds tensors alone."
TINY = Path(__file__).parent / "tiny"
INCTRL_HEADS = ("adapter.fc.", "diff_head.", "diff_head_ref.")
LOGIT_SCALE = "logit_scale"


def read(spec: BackboneSpec) -> dict[str, torch.Tensor]:
    """The state dict of a weights file, tensors only (nothing in it is executed).

    Raises ModelError when the file is missing, unreadable, or holds something else.
    """
    import torch

    if spec.family == "timm":
        from timm.models import load_state_dict  # that of an EMA, where a checkpoint has one
    else:
        from open_clip.factory import load_state_dict

    path = Path(spec.file)
    if not path.is_file():
        raise ModelError(
            f"weights of {spec} are not there: no file {path}",
            fix="Give the path of an existing weights file.",
        )
    try:
        state: Any = load_state_dict(str(path), device="cpu", weights_only=True)
    except Exception as error:  # torch, pickle and safetensors fail in many ways for a wrong file
        raise ModelError(
            f"{path} is not a weights file: {type(error).__name__}: {first_sentence(error)}", fix=WANTED
        ) from error
    if spec.family == "open_clip":
        state = _encoder_of(state)
    strangers = [str(name) for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if strangers:
        raise ModelError(f"{path} holds more than tensors: {', '.join(strangers[:5])}", fix=WANTED)
    return {str(name): tensor for name, tensor in state.items()}


def _encoder_of(state: dict[str, Any]) -> dict[str, Any]:
    """The encoder's part of an InCTRL checkpoint in the authors' layout; another state as it is.

    Those have no ``logit_scale``, which no score uses, and may have the text tower's causal mask.
    """
    import torch

    inner = state.get("model_state", state)
    if not isinstance(inner, dict) or not any(name.startswith(INCTRL_HEADS) for name in inner):
        return state
    kept = {
        name: value
        for name, value in inner.items()
        if not name.startswith(INCTRL_HEADS) and name != "attn_mask"
    }
    return {LOGIT_SCALE: torch.tensor(math.log(100.0)), **kept}


def first_sentence(error: Exception) -> str:
    """What went wrong, without torch's advice to load the file unsafely."""
    return (str(error).strip() or "no reason given").splitlines()[0].partition(". ")[0]


def find(spec: BackboneSpec) -> Path:
    """The file of an open_clip architecture's pretrained tag: from the local cache, else downloaded.

    Raises ModelError that says which tags there are, or where the weights come from.
    """
    import open_clip
    from open_clip.pretrained import download_pretrained

    known = open_clip.list_models()
    if spec.name not in known:
        raise ModelError(
            f"unknown open_clip architecture {spec.name!r}.{did_you_mean(spec.name, known)}",
            fix="`python -c 'import open_clip; print(open_clip.list_models())'` lists them.",
        )
    tags = open_clip.list_pretrained_tags_by_model(spec.name)
    source = open_clip.get_pretrained_cfg(spec.name, spec.tag)
    if not source:
        raise ModelError(
            f"{spec.name} has no pretrained weights {spec.tag!r}.{did_you_mean(spec.tag, tags)}",
            fix=f"Its tags: {', '.join(tags) or 'none'}. Weights of your own: {spec.name}:/path/to/file.",
        )
    # The hub entry of some tags names another tag's repository (e32 of ViT-B-16-plus-240 names e31's):
    # then only the address is the right one.
    hub = source.get("hf_hub", "")
    right = bool(hub) and (spec.tag in hub or not source.get("url"))
    try:
        return Path(download_pretrained(source, prefer_hf_hub=right))
    except Exception as error:  # network, hub and disk fail in many ways: all mean "not to be had"
        raise ModelError(
            f"weights of {spec} are not in the local cache and could not be fetched "
            f"({type(error).__name__}: {first_sentence(error)})",
            fix=f"They come from {hub if right else source.get('url')}. Fetch the file where there is a "
            f"network and name it: {spec.name}:/path/to/file.",
        ) from error


def fill(model: Any, state: dict[str, torch.Tensor], name: str) -> None:
    """Put weights into a model; every key must be there and fit. ModelError, with what does not, for others."""
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    missing = sorted(wanted.keys() - state.keys())
    extra = sorted(state.keys() - wanted.keys())
    wrong = [
        f"{key} {tuple(state[key].shape)}, expected {shape}"
        for key, shape in sorted(wanted.items())
        if key in state and tuple(state[key].shape) != shape
    ]
    if missing or extra or wrong:
        found = "; ".join(
            f"{len(keys)} {word} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
            for word, keys in (("missing", missing), ("not known", extra), ("of another shape", wrong))
            if keys
        )
        raise ModelError(
            f"the weights do not fit {name}: {found}", fix="Name the architecture they belong to."
        )
    model.load_state_dict({key: value.float() for key, value in state.items()}, strict=True)


def frozen_digest(state: Mapping[str, torch.Tensor]) -> str:
    """:func:`digest` of an encoder's state in fp32 without ``logit_scale``, which released checkpoints lack."""
    return digest((name, value.float()) for name, value in state.items() if name != LOGIT_SCALE)


def digest(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    """sha256 over names, dtypes, shapes and bytes: the same weights in another file are the same encoder."""
    import torch

    running = hashlib.sha256()
    for name, tensor in sorted(tensors):
        plain = tensor.detach().cpu().contiguous()
        running.update(f"{name}|{plain.dtype}|{tuple(plain.shape)}|".encode())
        running.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return running.hexdigest()
