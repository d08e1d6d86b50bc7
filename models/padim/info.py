"""Card of PaDiM."""

from __future__ import annotations

from pydantic import Field

from gad.harness.nouns import FeatureInput, Frozen, ModelInfo

STAGES = (1, 2, 3)


class Options(Frozen):
    """``backbone``: a CNN or ViT of timm, or a CLIP; the paper's is WideResNet-50-2 (with torchvision's first
    weights, as in the public re-implementations). ``layers``: empty for stages 1 to 3 of a CNN, the paper's, or
    blocks at 7/12, 9/12 and 11/12 of a ViT. ``channels``: how many of all layers' are kept, drawn from the seed
    (0: the paper's, 100 of a ResNet-18 and 550 of others; all where there are no more). ``epsilon``: what is
    added to the covariance's diagonal, the paper's."""

    backbone: str = ""
    layers: tuple[int, ...] = ()
    channels: int = Field(default=0, ge=0, le=100_000)
    epsilon: float = Field(default=0.01, gt=0, le=1e6)


def inputs(options: Options) -> FeatureInput:
    from gad.models.backbones.describe import layers_or_stages

    layers = layers_or_stages(options.backbone, options.layers, STAGES)
    return FeatureInput(backbone=options.backbone, layers=layers, tokens=True)


INFO = ModelInfo(
    name="padim",
    title="PaDiM",
    summary="Mahalanobis distance to a Gaussian of the prompts' features at every position.",
    adapter="gad.models.padim.adapter:Padim",
    options=Options,
    inputs=inputs,
    paper="Defard et al., PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and Localization, "
    "ICPR 2020 workshops, arXiv 2011.08785",
    licence="needs the weights of its backbone (timm's wide_resnet50_2.tv_in1k: BSD-3-Clause)",
    shares=("gad.models.feature_maps",),
    default_backbone="timm:wide_resnet50_2.tv_in1k",
    batch_size=16,
)
