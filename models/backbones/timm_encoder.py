"""Encoders of timm: pooled features, and the maps of a CNN's stages or the patch tokens of a ViT's blocks."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from timm.models import load_state_dict_from_hf

from gad.harness.errors import ModelError
from gad.harness.nouns import ImageInput
from gad.models.backbones import timm_models, weights
from gad.models.backbones.encoder import Placed, normalised
from gad.models.backbones.spec import BackboneSpec
from gad.models.backbones.timm_models import TimmModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNTER = ".num_batches_tracked"  # of batch norm: training counts in it, nothing is computed from it


class TimmEncoder(Placed):
    """A frozen network of timm, without its classifier, in fp32.

    ``digest`` names architecture and weights, whatever file they came from: in timm the same weights can
    belong to networks that compute different things (another activation, another stride).
    """

    def __init__(self, model: Any, known: TimmModel) -> None:
        self.model = model.eval().requires_grad_(False)
        self.known = known
        self.mean = torch.tensor(known.mean).view(1, 3, 1, 1)
        self.std = torch.tensor(known.std).view(1, 3, 1, 1)
        self.parameters = (sum(parameter.numel() for parameter in model.parameters()), 0)
        held = weights.digest(
            (key, value) for key, value in model.state_dict().items() if not key.endswith(COUNTER)
        )
        name = known.name.partition(".")[0]
        self.digest = hashlib.sha256(f"timm|{name}|{held}".encode()).hexdigest()

    @property
    def input(self) -> ImageInput:
        return self.known.input

    @torch.inference_mode()
    def images(
        self, pixels: NDArray[np.uint8], layers: Sequence[int], *, normed: bool = False
    ) -> dict[str, NDArray[Any]]:
        """Encode uint8 RGB ``[n, size, size, 3]``.

        Returns ``class``: fp32 ``[n, D]``, the pooled features that the classifier would see; and for each
        asked layer l ``layer-LL``: fp16 ``[n, side * side, C]``, patches by rows. Layers are blocks of a ViT
        (its patch tokens after block l, without the final norm unless ``normed``) or stages of a CNN (layer1
        to layer4 of a ResNet are 1 to 4).
        """
        depth = len(self.known.indices)
        if wrong := [layer for layer in layers if not 1 <= layer <= depth]:
            raise ModelError(f"layers {wrong} do not exist: timm:{self.known.name} has layers 1 to {depth}")
        asked = sorted(set(layers))
        images = normalised(pixels, self.known.input.size, self.mean, self.std).to(self.device)
        with self.computing():
            last, maps = self.model.forward_intermediates(
                images,
                # Never none: timm would take an empty list for a mistake.
                indices=[self.known.indices[layer - 1] for layer in asked or [1]],
                norm=normed,
                output_fmt="NCHW",
            )
            pooled = self.model.forward_head(last, pre_logits=True)
        out: dict[str, NDArray[Any]] = {"class": pooled.float().cpu().numpy()}
        for layer, found in zip(asked, maps[: len(asked)], strict=True):
            out[f"layer-{layer:02d}"] = found.flatten(2).transpose(1, 2).half().contiguous().cpu().numpy()
        return out

    def windows(self, pixels: NDArray[np.uint8], sizes: Sequence[int]) -> dict[str, NDArray[np.float16]]:
        """None: only CLIPs are asked for windows. ModelError if any are asked for."""
        if sizes:
            raise ModelError(f"timm:{self.known.name} gives no windows", fix="Name a CLIP.")
        return {}

    def texts(self, lines: Sequence[str]) -> NDArray[np.float32]:
        """ModelError: it has no text encoder."""
        raise ModelError(f"timm:{self.known.name} has no text encoder", fix="Name a CLIP.")


def load(spec: BackboneSpec) -> TimmEncoder:
    """Load a timm model by spec. Raises ModelError when its weights are not there or do not fit: never random.

    Every weight of the network must be in the file, under timm's name or one that timm converts; what the
    file may have beyond it is the architecture's classifier, of any number of classes, which is not used.
    """
    known = timm_models.known(spec)
    state = weights.read(spec) if spec.file else pretrained(spec, known)
    model = timm_models.build(known.name, num_classes=0)
    with torch.device("meta"):
        whole = timm_models.build(known.name, num_classes=2)
    own = model.state_dict()
    classifier = whole.state_dict().keys() - own.keys()
    # Files older than torch 0.4 have no counters.
    state |= {key: value for key, value in own.items() if key.endswith(COUNTER) and key not in state}
    if state.keys() - classifier != own.keys():
        state = _converted(model, state)
    weights.fill(model, {key: state[key] for key in state.keys() - classifier}, str(spec))
    if spec.size:  # after every weight was found to fit: what is resampled is the file's
        timm_models.resize(known.name, model, spec.size)
    return TimmEncoder(model, known)


def _converted(model: Any, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A checkpoint of the architecture's authors as timm itself reads it: keys renamed, leftovers dropped.

    Not for another image size: timm would resample the position embeddings, and these would be other weights.
    """
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    own = model.state_dict()
    if convert is None or any(own[key].shape != state[key].shape for key in own.keys() & state.keys()):
        return state
    try:
        found = {str(key): value for key, value in convert(dict(state), model).items()}
    except Exception:  # it is written for the checkpoints it knows: this is none of them
        return state
    sizes = {value.numel() for value in state.values()}
    return state if "pos_embed" in found and found["pos_embed"].numel() not in sizes else found


def pretrained(spec: BackboneSpec, known: TimmModel) -> dict[str, torch.Tensor]:
    """The default weights, from the local cache or else downloaded; as :func:`weights.read`."""
    place = f"https://huggingface.co/{known.hub.partition('@')[0]}" if known.hub else known.url
    try:
        if known.hub:
            found = load_state_dict_from_hf(known.hub, weights_only=True)
        else:
            found = torch.hub.load_state_dict_from_url(known.url, map_location="cpu", weights_only=True)
    except Exception as error:  # network, hub and disk fail in many ways: all mean "not to be had"
        raise ModelError(
            f"weights of {spec} are not in the local cache and could not be fetched "
            f"({type(error).__name__}: {weights.first_sentence(error)})",
            fix=f"They come from {place}{' (model.safetensors)' if known.hub else ''}. Fetch the file where "
            f"there is a network and name it: {spec}:/path/to/file.",
        ) from error
    return {str(name): tensor for name, tensor in found.items()}
