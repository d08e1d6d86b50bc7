"""Card of AnomalyDINO."""

from __future__ import annotations

from pydantic import Field

from gad.harness.nouns import FeatureInput, Frozen, ModelInfo


class Options(Frozen):
    """``backbone``: a ViT of timm (the paper's small one: DINOv2 ViT-S/14 with a short side of 448 pixels) or a
    CLIP. ``top``: the share of a query's patches, the farthest, that its score is the mean of (the paper's 1 %).

    The paper's rotated prompts and masks of the object are not here. Images are cut to a square at the
    centre, as for every encoder here, where the authors keep their form.
    """

    backbone: str = ""
    top: float = Field(default=0.01, gt=0, le=1)


def inputs(options: Options) -> FeatureInput:
    return FeatureInput(backbone=options.backbone, layers=(-1,), nearest=True, normed=True)


INFO = ModelInfo(
    name="anomalydino",
    title="AnomalyDINO",
    summary="Mean of the largest 1 % of patch distances to the nearest prompt patch, on DINOv2.",
    adapter="gad.models.anomalydino.adapter:AnomalyDino",
    options=Options,
    inputs=inputs,
    paper="Damm et al., AnomalyDINO: Boosting Patch-based Few-shot Anomaly Detection with DINOv2, WACV 2025, "
    "arXiv 2405.14529",
    licence="needs the weights of its backbone (DINOv2: Apache-2.0)",
    shares=("gad.models.feature_maps",),
    default_backbone="timm:vit_small_patch14_dinov2.lvd142m@448",
    batch_size=32,
)
