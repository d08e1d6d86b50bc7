"""What timm says of a model: its preprocessing, its layers, where its weights come from.

Imports timm and torch, so it is itself imported only where a backbone of timm is named. The network is
built on the meta device: sizes without memory or arithmetic.
"""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import Any

import timm
import torch
from timm.data import resolve_data_config

from gad.harness.errors import ModelError, did_you_mean
from gad.harness.nouns import Frozen, ImageInput
from gad.models.backbones.spec import BackboneSpec, default_layers


class TimmModel(Frozen):
    """``tag``: timm's name of the default weights, or empty. ``hub`` or ``url``: where these come from
    (both empty: nowhere, timm has none).

    ``sides``: of the square patch grid of each layer, layer 1 first; ``widths``: its channels.
    ``indices``: the layers' places in what ``forward_intermediates`` gives, which starts with the stem of a CNN.
    """

    name: str
    tag: str
    hub: str
    url: str
    input: ImageInput
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    sides: tuple[int, ...]
    widths: tuple[int, ...]
    indices: tuple[int, ...]
    embed_dim: int

    @property
    def staged(self) -> bool:
        """A CNN, or a transformer built like one: coarser from stage to stage. Else blocks of one grid."""
        return len(set(self.sides)) > 1

    @property
    def layers(self) -> tuple[int, ...]:
        """Those read by default: stages 2 and 3 as PatchCore has it, else blocks in InCTRL's proportion."""
        if not self.staged:
            return default_layers(len(self.sides))
        return (2, 3) if len(self.sides) > 2 else tuple(range(1, 1 + len(self.sides)))

    @property
    def preprocessing(self) -> str:
        wanted = self.input
        return (
            f"{wanted.interpolation} {wanted.short} {wanted.resize} {wanted.size}, RGB first, "
            f"mean {self.mean}, std {self.std}"
        )


def known(spec: BackboneSpec) -> TimmModel:
    """Raises ModelError for a name or tag that timm does not have, a model that cannot serve, and one whose
    weights nobody names."""
    if spec.tag:
        raise ModelError(
            f"{spec} is not a timm model: what follows the colon is a weights file",
            fix=f"timm's tags follow a dot: timm:{spec.name.partition('.')[0]}.{spec.tag}",
        )
    found = _known(spec.name, spec.size)
    if not (spec.file or found.hub or found.url):
        raise ModelError(
            f"timm has no pretrained weights for {spec.name}",
            fix=f"Weights of your own: timm:{spec.name}:/path/to/file.",
        )
    return found


@lru_cache(maxsize=32)
def _known(name: str, size: int) -> TimmModel:
    cfg = _pretrained_cfg(name)
    config = resolve_data_config({}, pretrained_cfg=cfg.to_dict())
    if size:
        config["input_size"] = (config["input_size"][0], size, size)
    wanted = _input(name, config)
    with torch.device("meta"):
        model = build(name, num_classes=0)
        if size:
            resize(name, model, size)
        sides, widths, embed_dim = _sizes(name, model, wanted.size)
    # Maps finer than a quarter of the image are the stem's: so ResNet's layer1 is layer 1, and that of
    # every other net built in stages is as fine.
    indices = tuple(i for i, side in enumerate(sides) if side <= math.ceil(wanted.size / 4))
    if not indices:
        raise ModelError(f"timm:{name} has no layer as coarse as a quarter of its image")
    return TimmModel(
        name=name,
        tag=cfg.tag or "",
        hub=cfg.hf_hub_id or "",
        url=cfg.url or "",
        input=wanted,
        mean=config["mean"],
        std=config["std"],
        sides=tuple(sides[i] for i in indices),
        widths=tuple(widths[i] for i in indices),
        indices=indices,
        embed_dim=embed_dim,
    )


def build(name: str, **options: Any) -> Any:
    """The network, without pretrained weights, on the current device."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return timm.create_model(name, pretrained=False, **options).eval().requires_grad_(False)


def resize(name: str, model: Any, size: int) -> None:
    """Make a network that holds its weights one for images of another size.

    A CNN takes any. A ViT's position embeddings are resampled to the new grid, as timm does it (bicubic,
    antialiased); ModelError where that is not possible.
    """
    if not hasattr(model, "set_input_size"):
        return
    patch = getattr(getattr(model, "patch_embed", None), "patch_size", (1, 1))
    try:
        if size % patch[0] or size % patch[1]:
            raise ValueError(f"its patches have {patch[1]} x {patch[0]} pixels")
        model.set_input_size(img_size=(size, size))
    except Exception as error:  # windows, too, may not fit
        raise ModelError(
            f"timm:{name} cannot see images of {size} pixels: {error}",
            fix="Name a side that its patches divide.",
        ) from error


def architecture(name: str) -> str:
    """A name without its tag. ModelError for one that timm does not have."""
    bare = name.partition(".")[0]
    if not timm.is_model(bare):
        raise ModelError(
            f"unknown timm model {bare!r}.{did_you_mean(bare, timm.list_models())}",
            fix="`python -c 'import timm; print(timm.list_models())'` lists them.",
        )
    return bare


def _pretrained_cfg(name: str) -> Any:
    bare, (_, dot, tag) = architecture(name), name.partition(".")
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{bare}.*")]
    if dot and tag not in tags:
        raise ModelError(
            f"timm has no pretrained {bare} with tag {tag!r}.{did_you_mean(tag, tags)}",
            fix=f"Its tags: {', '.join(tags) or 'none'}.",
        )
    cfg = timm.get_pretrained_cfg(name)
    if cfg is None:
        raise ModelError(f"timm says nothing of the preprocessing of {name}")
    return cfg


def _input(name: str, config: dict[str, Any]) -> ImageInput:
    """timm's evaluation transform: resize to size / crop_pct, cut the centre, after conversion to RGB."""
    channels, height, width = config["input_size"]
    resize = {"center": "crop", "squash": "squash"}.get(config["crop_mode"])
    how, short = config["interpolation"], math.floor(height / config["crop_pct"])
    if (
        channels != 3
        or height != width
        or resize is None
        or how not in ("bicubic", "bilinear")
        or short < height
    ):
        raise ModelError(
            f"timm:{name} sees images in a way that is not supported: {channels} x {height} x {width}, "
            f"{config['crop_mode']} crop of {config['crop_pct']}, {how}",
            fix="Square RGB images, resized (bicubic or bilinear) and cut at the centre, are.",
        )
    return ImageInput.model_validate(
        {"size": height, "resize": resize, "short": short, "interpolation": how, "rgb_first": True}
    )


def _sizes(name: str, model: Any, size: int) -> tuple[list[int], list[int], int]:
    """Sides and channels of all that ``forward_intermediates`` gives, and the width of the pooled features."""
    try:
        with torch.inference_mode():
            last, maps = model.forward_intermediates(torch.empty(1, 3, size, size), output_fmt="NCHW")
            _, embed_dim = model.forward_head(last, pre_logits=True).shape
    except Exception as error:  # of a thousand architectures some have other methods, or other arguments
        raise ModelError(
            f"timm:{name} does not give the features of its layers: {type(error).__name__}: {error}",
            fix="Name another model: ResNets, ConvNeXts, EfficientNets, ViTs and most others do.",
        ) from error
    if odd := [tuple(each.shape) for each in maps if each.ndim != 4 or each.shape[2] != each.shape[3]]:
        raise ModelError(f"timm:{name} has feature maps that are not square: {odd[0]}")
    sides, widths = ([int(each.shape[axis]) for each in maps] for axis in (2, 1))
    return sides, widths, int(embed_dim)
