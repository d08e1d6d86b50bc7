"""Card of WinCLIP."""

from __future__ import annotations

from gad.harness.nouns import FeatureInput, Frozen, ModelInfo


class Options(Frozen):
    """``backbone``: a CLIP (empty: the grid's)."""

    backbone: str = ""


def inputs(options: Options) -> FeatureInput:
    return FeatureInput(
        backbone=options.backbone, layers=(-1,), nearest=True, text=True, windows=(2, 3), window_priors=True
    )


INFO = ModelInfo(
    name="winclip",
    title="WinCLIP",
    summary="Text prior, and distance of windows and patches to the nearest of the prompts', on CLIP; no training.",
    adapter="gad.models.winclip.adapter:WinCLIP",
    options=Options,
    inputs=inputs,
    paper="Jeong et al., WinCLIP: Zero-/Few-Shot Anomaly Classification and Segmentation, CVPR 2023, arXiv 2303.14814",
    licence="needs the weights of its backbone",
    min_shots=0,
    default_backbone="ViT-B-16-plus-240:laion400m_e32",
    batch_size=32,
)
