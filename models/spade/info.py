"""Card of SPADE."""

from __future__ import annotations

from pydantic import Field

from gad.harness.nouns import FeatureInput, ModelInfo
from gad.models.wide_resnet import BACKBONE, LICENCE, CnnOptions


class Options(CnnOptions):
    """``neighbours``: prompts that a score is averaged over, at most (the paper's 50). The layers are those of the
    map: the paper's stages 1 to 3."""

    neighbours: int = Field(default=50, ge=1, le=100_000)


def inputs(options: Options) -> FeatureInput:
    return FeatureInput(backbone=options.backbone, layers=options.layers, stages=(1, 2, 3), tokens=True)


INFO = ModelInfo(
    name="spade",
    title="SPADE",
    summary="Mean distance of pooled features to the nearest prompts; maps by correspondence of a feature pyramid.",
    adapter="gad.models.spade.adapter:Spade",
    options=Options,
    inputs=inputs,
    paper="Cohen and Hoshen, Sub-Image Anomaly Detection with Deep Pyramid Correspondences, arXiv 2005.02357",
    licence=LICENCE,
    shares=("gad.models.feature_maps",),
    default_backbone=BACKBONE,
    batch_size=16,
)
