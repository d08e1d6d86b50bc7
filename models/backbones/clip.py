"""CLIP encoders through open_clip: class token, patch tokens of any blocks, text embeddings."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import open_clip
import torch
from torch.nn import functional

from gad.harness.errors import ModelError
from gad.harness.nouns import ImageInput
from gad.models.backbones import weights
from gad.models.backbones.spec import BackboneSpec, default_layers
from gad.models.windows import windows

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ClipEncoder:
    """A frozen CLIP in fp32. ``digest`` names its weights, whatever file they came from."""

    def __init__(self, model: Any, tokenizer: Any, mean: Sequence[float], std: Sequence[float]) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        visual = model.visual
        if not hasattr(visual, "transformer") or getattr(visual, "attn_pool", None) is not None:
            raise ModelError("this CLIP's vision tower is not a plain ViT", fix="Name a ViT architecture.")
        self.image_size = int(visual.image_size[0])
        self.grid = (int(visual.grid_size[0]), int(visual.grid_size[1]))
        self.depth = len(visual.transformer.resblocks)
        self.width = int(visual.transformer.width)
        self.embed_dim = int(visual.proj.shape[1])
        self.mean = torch.tensor(mean).view(1, 3, 1, 1)
        self.std = torch.tensor(std).view(1, 3, 1, 1)
        self.digest = weights.digest(model.state_dict().items())

    @property
    def input(self) -> ImageInput:
        return ImageInput(size=self.image_size, resize="crop")

    @property
    def layers(self) -> tuple[int, int, int]:
        return default_layers(self.depth)

    @torch.inference_mode()
    def images(self, pixels: NDArray[np.uint8], layers: Sequence[int]) -> dict[str, NDArray[Any]]:
        """Encode uint8 RGB ``[n, size, size, 3]``.

        Returns ``class``: fp32 ``[n, embed_dim]``, after the final norm and projection, not normalised;
        and for each asked block l (1-indexed) ``layer-LL``: fp16 ``[n, patches, width]``, the tokens
        after block l without the class token and without the final norm (InCTRL, section 3.3).
        """
        wrong = [layer for layer in layers if not 1 <= layer <= self.depth]
        if wrong:
            raise ModelError(f"layers {wrong} do not exist: this encoder has blocks 1 to {self.depth}")
        found = self.model.visual.forward_intermediates(
            self._normalised(pixels), indices=[layer - 1 for layer in layers], output_fmt="NLC"
        )
        out: dict[str, NDArray[Any]] = {"class": found["image_features"].float().numpy()}
        # open_clip returns blocks in their own order, not in the order they were asked for.
        for layer, tokens in zip(sorted(set(layers)), found["image_intermediates"], strict=True):
            out[f"layer-{layer:02d}"] = tokens.half().numpy()
        return out

    @torch.inference_mode()
    def windows(self, pixels: NDArray[np.uint8], sizes: Sequence[int]) -> dict[str, NDArray[np.float16]]:
        """Class outputs of windows of patches (WinCLIP, section 4.2), for uint8 RGB ``[n, size, size, 3]``.

        For each asked size s ``window-s``: fp16 ``[n, windows, embed_dim]``, projected, not normalised: the
        encoder's output on the class token and the tokens of one s x s window alone, which keep their
        position embeddings. Windows as :func:`gad.models.windows.windows` orders them. Image by image, so
        that the bits of one do not depend on the others.
        """
        if not sizes:
            return {}
        visual, (side, across) = self.model.visual, self.grid
        if side != across or not all(1 <= size <= side for size in sizes):
            raise ModelError(f"windows {[*sizes]} do not fit a grid of {side}x{across} patches")
        # The tokens of each window, after token 0, which is the class token.
        chosen = {size: functional.pad(windows(side, size) + 1, (1, 0)) for size in sorted(set(sizes))}
        out: dict[str, list[torch.Tensor]] = {f"window-{size}": [] for size in chosen}
        for image in self._normalised(pixels):
            tokens = visual._embeds(image[None])[0]
            for size, rows in chosen.items():
                pooled, _ = visual._pool(visual.transformer(tokens[rows]))
                out[f"window-{size}"].append((pooled @ visual.proj).half())
        return {name: torch.stack(rows).numpy() for name, rows in out.items()}

    @torch.inference_mode()
    def texts(self, lines: Sequence[str]) -> NDArray[np.float32]:
        """Text embeddings fp32 ``[n, embed_dim]``, not normalised."""
        embedded: NDArray[np.float32] = self.model.encode_text(self.tokenizer(list(lines))).float().numpy()
        return embedded

    def _normalised(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        expected = (self.image_size, self.image_size, 3)
        if pixels.dtype != np.uint8 or pixels.shape[1:] != expected:
            raise ModelError(f"images are {pixels.dtype} {pixels.shape}, expected uint8 [n, {expected}]")
        # A copy: the array may be a read-only view of somebody else's memory.
        floats = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).float() / 255.0
        return (floats - self.mean) / self.std


def load(spec: BackboneSpec) -> ClipEncoder:
    """Load a CLIP by spec. Raises ModelError when its weights are not there or do not fit: never random."""
    if spec.family == "tiny":
        return _tiny()
    file = spec.file or str(weights.find(spec))
    state = weights.read(spec.model_copy(update={"file": file}))
    config = open_clip.get_model_config(spec.name)
    if config is None:
        raise ModelError(f"unknown open_clip architecture {spec.name!r}")
    # Weights are given, and loaded strictly below: this call itself must not look for any.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = open_clip.create_model(spec.name, pretrained=None, load_weights=False)
    _fill(model, state, str(spec))
    preprocess = open_clip.get_pretrained_cfg(spec.name, spec.tag) if spec.tag else {}
    mean = preprocess.get("mean") or open_clip.OPENAI_DATASET_MEAN
    std = preprocess.get("std") or open_clip.OPENAI_DATASET_STD
    return ClipEncoder(model, open_clip.get_tokenizer(spec.name), mean, std)


def _tiny() -> ClipEncoder:
    path = weights.TINY / "tiny.safetensors"
    state = weights.read(BackboneSpec(family="tiny", name="tiny", file=str(path)))
    config = json.loads((weights.TINY / "config.json").read_text())
    model = open_clip.CLIP(**config)
    _fill(model, state, "tiny")
    return ClipEncoder(
        model,
        open_clip.SimpleTokenizer(context_length=config["text_cfg"]["context_length"]),
        open_clip.OPENAI_DATASET_MEAN,
        open_clip.OPENAI_DATASET_STD,
    )


def _fill(model: Any, state: dict[str, torch.Tensor], name: str) -> None:
    """Put weights into a model; every key must be there and fit."""
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
