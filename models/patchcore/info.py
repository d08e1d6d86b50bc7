"""Card of PatchCore."""

from __future__ import annotations

from gad.harness.nouns import FeatureInput, ModelInfo
from gad.models.wide_resnet import BACKBONE, LICENCE, CnnOptions


class Options(CnnOptions):
    """The paper's layers are stages 2 and 3."""


def inputs(options: Options) -> FeatureInput:
    return FeatureInput(backbone=options.backbone, layers=options.layers, stages=(2, 3), tokens=True)


INFO = ModelInfo(
    name="patchcore",
    title="PatchCore",
    summary="Distance to the nearest patch in a bank of the prompts' patches, on a CNN's maps or patch tokens.",
    adapter="gad.models.patchcore.adapter:PatchCore",
    options=Options,
    inputs=inputs,
    paper="Roth et al., Towards Total Recall in Industrial Anomaly Detection, CVPR 2022, arXiv 2106.08265",
    licence=LICENCE,
    default_backbone=BACKBONE,
    batch_size=32,
)
