"""Weights drawn from a seed, for tests of the path that features take: they know nothing of any image.

    harness models generate timm:resnet18 resnet18.safetensors

The file says in its metadata that it was generated, and so do the numbers themselves, wherever they are copied to
(:mod:`gad.models.backbones.mark`). Every method that looks through them carries that into its key, its results are
marked wherever they are shown, and they are never ranked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gad.harness.errors import ModelError
from gad.models.backbones import mark
from gad.models.backbones.describe import GENERATED

if TYPE_CHECKING:
    from torch import Tensor


def write(backbone: str, path: Path, seed: int = 0) -> None:
    """Draw the weights of ``timm:NAME`` or of an open_clip architecture (NAME) and write them as safetensors.

    Drawn as the library initialises the network, from ``seed``, then marked; the global generator is left as it was.
    Raises ModelError for a name that the library does not have, and for a path of another suffix.
    """
    import torch
    from safetensors.torch import save_file

    if path.suffix != ".safetensors":
        raise ModelError(
            f"{path}: generated weights say from what they were drawn, and only a .safetensors file can",
            fix="Name a file that ends in .safetensors.",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = _network(backbone).state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: _marked(value) for name, value in state.items()},
        path,
        metadata={GENERATED: f"{backbone}, seed {seed}"},
    )


def _marked(value: Tensor) -> Tensor:
    """A copy, with the mark where there is room for it."""
    import torch

    copy = value.contiguous().clone()
    if copy.is_floating_point() and copy.dim() > 1 and copy.numel() >= mark.LEAST:
        own = torch.from_numpy(mark.values())
        copy.view(-1)[: len(own)] = own
    return copy


def _network(backbone: str) -> Any:
    if backbone.startswith("timm:"):
        from gad.models.backbones import timm_models

        return timm_models.build(timm_models.architecture(backbone.removeprefix("timm:")))
    import open_clip

    if open_clip.get_model_config(backbone) is None:
        raise ModelError(f"unknown open_clip architecture {backbone!r}")
    return open_clip.create_model(backbone, pretrained=None, load_weights=False)
