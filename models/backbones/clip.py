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
from gad.harness.ids import digest
from gad.harness.nouns import ImageInput
from gad.models.backbones import weights
from gad.models.backbones.encoder import Placed, normalised
from gad.models.backbones.spec import BackboneSpec, default_layers
from gad.models.windows import windows

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ClipEncoder(Placed):
    """A frozen CLIP.

    ``digest`` names its configuration and weights, whatever file they came from: the same weights give other
    features with another activation. ``tag`` is what open_clip says of pretrained weights: preprocessing.
    """

    def __init__(self, model: Any, tokenizer: Any, config: dict[str, Any], tag: dict[str, Any]) -> None:
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
        self.mean = torch.tensor(tag.get("mean") or open_clip.OPENAI_DATASET_MEAN).view(1, 3, 1, 1)
        self.std = torch.tensor(tag.get("std") or open_clip.OPENAI_DATASET_STD).view(1, 3, 1, 1)
        self.input = _input(self.image_size, tag)
        form = {**config, "quick_gelu": bool(config.get("quick_gelu") or tag.get("quick_gelu"))}
        seeing = sum(parameter.numel() for parameter in visual.parameters())
        self.parameters = (seeing, sum(parameter.numel() for parameter in model.parameters()) - seeing)
        self.digest = digest([form, weights.digest(model.state_dict().items())])

    @property
    def layers(self) -> tuple[int, int, int]:
        return default_layers(self.depth)

    @torch.inference_mode()
    def images(
        self, pixels: NDArray[np.uint8], layers: Sequence[int], *, normed: bool = False
    ) -> dict[str, NDArray[Any]]:
        """Encode uint8 RGB ``[n, size, size, 3]``.

        Returns ``class``: fp32 ``[n, embed_dim]``, after the final norm and projection, not normalised;
        and for each asked block l (1-indexed) ``layer-LL``: fp16 ``[n, patches, width]``, the tokens
        after block l without the class token and without the final norm (InCTRL, section 3.3), or
        with it (``normed``).
        """
        wrong = [layer for layer in layers if not 1 <= layer <= self.depth]
        if wrong:
            raise ModelError(f"layers {wrong} do not exist: this encoder has blocks 1 to {self.depth}")
        # open_clip cannot be asked for no block at all; what was not asked for is left out below.
        blocks = sorted(set(layers)) or [self.depth]
        with self.computing():
            found = self.model.visual.forward_intermediates(
                self._normalised(pixels),
                indices=[block - 1 for block in blocks],
                normalize_intermediates=normed,
                output_fmt="NLC",
            )
        out: dict[str, NDArray[Any]] = {"class": found["image_features"].float().cpu().numpy()}
        # open_clip returns blocks in their own order, not in the order they were asked for.
        for block, tokens in zip(blocks, found["image_intermediates"], strict=True):
            if block in layers:
                out[f"layer-{block:02d}"] = tokens.half().cpu().numpy()
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
            with self.computing():
                tokens = visual._embeds(image[None])[0]
                for size, rows in chosen.items():
                    pooled, _ = visual._pool(visual.transformer(tokens[rows]))
                    out[f"window-{size}"].append((pooled @ visual.proj).half().cpu())
        return {name: torch.stack(rows).numpy() for name, rows in out.items()}

    @torch.inference_mode()
    def texts(self, lines: Sequence[str]) -> NDArray[np.float32]:
        """Text embeddings fp32 ``[n, embed_dim]``, not normalised."""
        tokens = self.tokenizer(list(lines)).to(self.device)
        embedded: NDArray[np.float32] = self.model.encode_text(tokens).float().cpu().numpy()
        return embedded

    def _normalised(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        return normalised(pixels, self.image_size, self.mean, self.std).to(self.device)


def load(spec: BackboneSpec) -> ClipEncoder:
    """Load a CLIP by spec. Raises ModelError when its weights are not there or do not fit: never random."""
    if spec.family == "tiny":
        return _tiny()
    file = spec.file or str(weights.find(spec))
    state = weights.read(spec.model_copy(update={"file": file}))
    config = open_clip.get_model_config(spec.name)
    if config is None:
        raise ModelError(f"unknown open_clip architecture {spec.name!r}")
    tag = open_clip.get_pretrained_cfg(spec.name, spec.tag) if spec.tag else {}
    # Weights are given, and loaded strictly below: this call itself must not look for any. Some tags were
    # trained with another activation than their architecture's file says.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = open_clip.create_model(
            spec.name, pretrained=None, load_weights=False, force_quick_gelu=bool(tag.get("quick_gelu"))
        )
    weights.fill(model, state, str(spec))
    return ClipEncoder(model, open_clip.get_tokenizer(spec.name), config, tag)


def _input(size: int, tag: dict[str, Any]) -> ImageInput:
    """CLIP's preprocessing, or what a pretrained tag was trained with."""
    resize = {"shortest": "crop", "squash": "squash"}.get(tag.get("resize_mode") or "shortest")
    how = tag.get("interpolation") or "bicubic"
    if resize is None or how not in ("bicubic", "bilinear"):
        raise ModelError(
            f"these weights want images resized in a way that is not supported: {tag['resize_mode']}, {how}",
            fix="Name other weights.",
        )
    return ImageInput.model_validate({"size": size, "resize": resize, "interpolation": how})


def _tiny() -> ClipEncoder:
    path = weights.TINY / "tiny.safetensors"
    state = weights.read(BackboneSpec(family="tiny", name="tiny", file=str(path)))
    config = json.loads((weights.TINY / "config.json").read_text())
    model = open_clip.CLIP(**config)
    weights.fill(model, state, "tiny")
    return ClipEncoder(
        model,
        open_clip.SimpleTokenizer(context_length=config["text_cfg"]["context_length"]),
        config,
        {},
    )
