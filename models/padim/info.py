"""Card of PaDiM."""

from __future__ import annotations

from pydantic import Field

from gad.harness.nouns import FeatureInput, ModelInfo
from gad.models.wide_resnet import BACKBONE, LICENCE, CnnOptions


class Options(CnnOptions):
    """``channels``: how many of all layers' (the paper's stages 1 to 3) are kept, drawn from the seed (0: the
    paper's number, 100 of a ResNet-18 and 550 of others; all where there are no more). ``epsilon``: what is added to
    the covariance's diagonal, the paper's."""

    channels: int = Field(default=0, ge=0, le=100_000)
    epsilon: float = Field(default=0.01, gt=0, le=1e6)


def inputs(options: Options) -> FeatureInput:
    return FeatureInput(backbone=options.backbone, layers=options.layers, stages=(1, 2, 3), tokens=True)


INFO = ModelInfo(
    name="padim",
    title="PaDiM",
    summary="Mahalanobis distance to a Gaussian of the prompts' features at every position.",
    adapter="gad.models.padim.adapter:Padim",
    options=Options,
    inputs=inputs,
    paper="Defard et al., PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and Localization, "
    "ICPR 2020 workshops, arXiv 2011.08785",
    licence=LICENCE,
    shares=("gad.models.feature_maps",),
    default_backbone=BACKBONE,
    batch_size=16,
)
