"""Card of PatchCore."""

from __future__ import annotations

from gad.harness.nouns import FeatureInput, Frozen, ModelInfo


class Options(Frozen):
    """``backbone``: a CLIP (empty: the grid's). ``layers``: blocks whose patch tokens are used (empty: those
    at 7/12, 9/12 and 11/12 of the depth)."""

    backbone: str = ""
    layers: tuple[int, ...] = ()


def inputs(options: Options) -> FeatureInput:
    return FeatureInput(backbone=options.backbone, layers=options.layers, tokens=True)


INFO = ModelInfo(
    name="patchcore",
    title="PatchCore",
    summary="Distance to the nearest patch in a bank of the prompts' patches, on CLIP patch tokens.",
    adapter="gad.models.patchcore.adapter:PatchCore",
    options=Options,
    inputs=inputs,
    paper="Roth et al., Towards Total Recall in Industrial Anomaly Detection, CVPR 2022, arXiv 2106.08265",
    licence="needs the weights of its backbone",
    default_backbone="ViT-B-16-plus-240:laion400m_e32",
    batch_size=32,
)
