"""Card of SPADE."""

from __future__ import annotations

from pydantic import Field

from gad.harness.nouns import FeatureInput, Frozen, ModelInfo

STAGES = (1, 2, 3)


class Options(Frozen):
    """``backbone``: a CNN or ViT of timm, or a CLIP; the paper's is WideResNet-50-2 (with torchvision's first
    weights, as in the public re-implementations). ``layers``: of the map (empty: stages 1 to 3 of a CNN, the
    paper's; blocks at 7/12, 9/12 and 11/12 of a ViT). ``neighbours``: prompts that a score is averaged over, at
    most (the paper's 50)."""

    backbone: str = ""
    layers: tuple[int, ...] = ()
    neighbours: int = Field(default=50, ge=1, le=100_000)


def inputs(options: Options) -> FeatureInput:
    from gad.models.backbones.describe import layers_or_stages

    layers = layers_or_stages(options.backbone, options.layers, STAGES)
    return FeatureInput(backbone=options.backbone, layers=layers, tokens=True)


INFO = ModelInfo(
    name="spade",
    title="SPADE",
    summary="Mean distance of pooled features to the nearest prompts; maps by correspondence of a feature pyramid.",
    adapter="gad.models.spade.adapter:Spade",
    options=Options,
    inputs=inputs,
    paper="Cohen and Hoshen, Sub-Image Anomaly Detection with Deep Pyramid Correspondences, arXiv 2005.02357",
    licence="needs the weights of its backbone (timm's wide_resnet50_2.tv_in1k: BSD-3-Clause)",
    shares=("gad.models.feature_maps",),
    default_backbone="timm:wide_resnet50_2.tv_in1k",
    batch_size=16,
)
