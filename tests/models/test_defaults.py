"""Every method's defaults are its paper's, as far as the benchmark's paper says nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gad.harness import cards, registry
from gad.harness.methods import input_of
from gad.harness.nouns import FeatureInput, ModelChoice
from gad.models.backbones.describe import resolve
from gad.models.padim.score import how_many

WIDE = "timm:wide_resnet50_2.tv_in1k"
CLIP = "ViT-B-16-plus-240:laion400m_e32"
# The encoder, its image size, the layers that are read, and options.
TABLE: dict[str, tuple[str, int, tuple[int, ...], dict[str, Any]]] = {
    "spade": (WIDE, 224, (1, 2, 3), {"neighbours": 50}),
    "padim": (WIDE, 224, (1, 2, 3), {"channels": 0, "epsilon": 0.01}),
    "patchcore": (WIDE, 224, (2, 3), {}),
    "anomalydino": ("timm:vit_small_patch14_dinov2.lvd142m@448", 448, (12,), {"top": 0.01}),
    "coop": (CLIP, 240, (7, 9, 11), {"context": 16}),
    "clip-zero-shot": (CLIP, 240, (7, 9, 11), {}),
    "winclip": (CLIP, 240, (12,), {}),
    "inctrl": (CLIP, 240, (7, 9, 11), {}),
}

OURS = sorted(name for name, model in registry.load().models.items() if model.package == "gad-harness")


def by_default(name: str) -> FeatureInput:
    info = registry.load().find(name).info
    choice = ModelChoice(name=name, options=info.options().model_dump(mode="json")).on(info.default_backbone)
    wanted = input_of(registry.load().find(name), choice)
    assert isinstance(wanted, FeatureInput)
    return wanted


@pytest.mark.parametrize("name", TABLE)
def test_defaults(name: str) -> None:
    backbone, size, layers, options = TABLE[name]
    wanted = by_default(name)
    assert (wanted.backbone, wanted.size, wanted.layers) == (backbone, size, layers)
    card = cards.card(registry.load().find(name))
    assert options.items() <= card["options"].items()
    assert "not known" not in card["needs"]


@pytest.mark.parametrize("name", ["spade", "padim", "patchcore"])
def test_images_of_256_are_cut_to_224(name: str) -> None:
    assert "bilinear 256 crop 224" in by_default(name).preprocessing


def test_channels_of_padim() -> None:
    assert how_many(0, 448, "timm:resnet18") == 100
    assert how_many(0, 1792, WIDE) == 550


def test_layers_of_a_vit_and_options_still_count() -> None:
    info = registry.load().find("padim").info
    vit = resolve(info.inputs(info.options(backbone="timm:vit_base_patch14_dinov2")))
    assert vit.layers == (7, 9, 11)
    chosen = resolve(info.inputs(info.options(backbone=WIDE, layers=(4,))))
    assert (chosen.layers, chosen.stages) == ((4,), ())
    assert "stages" not in chosen.model_dump(mode="json")


@pytest.mark.parametrize("name", OURS)
def test_a_card_says_everything(name: str) -> None:
    """Paper, licence, what is reported, and of every option what it is and where its default comes from."""
    model = registry.load().find(name)
    card = cards.card(model)
    assert card["paper"]
    assert card["licence"]
    assert card["reports"].startswith("Score: ")
    about = cards.about_options(model.info)
    assert [option for option in card["options"] if f"``{option}``" not in about] == []
    if "a baseline of this project" not in card["paper"]:
        assert "arXiv" in card["paper"]
        assert not card["options"].keys() - {"backbone"} or re.search("paper|authors", about)
