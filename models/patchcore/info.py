"""Card of PatchCore."""

from __future__ import annotations

from gad.harness.nouns import FeatureInput, Frozen, ModelInfo


class Options(Frozen):
    """``backbone``: a CLIP, or a CNN or ViT of timm (empty: the grid's). ``layers``: stages of a CNN (empty:
    2 and 3, the paper's) or blocks of a ViT (empty: those at 7/12, 9/12 and 11/12 of the depth)."""

    backbone: str = ""
    layers: tuple[int, ...] = ()


def inputs(options: Options) -> FeatureInput:
    return FeatureInput(backbone=options.backbone, layers=options.layers, tokens=True)


INFO = ModelInfo(
    name="patchcore",
    title="PatchCore",
    summary="Distance to the nearest patch in a bank of the prompts' patches, on a CNN's maps or patch tokens.",
    adapter="gad.models.patchcore.adapter:PatchCore",
    options=Options,
    inputs=inputs,
    paper="Roth et al., Towards Total Recall in Industrial Anomaly Detection, CVPR 2022, arXiv 2106.08265",
    licence="needs the weights of its backbone",
    default_backbone="ViT-B-16-plus-240:laion400m_e32",
    batch_size=32,
)
