"""Card of InCTRL."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gad.harness.nouns import FeatureInput, Frozen, ModelInfo


class Options(Frozen):
    """``backbone``: a CLIP (empty: the grid's). ``components``: what is kept of T (text prior), P (patch
    residual) and I (image residual). ``epochs``, ``steps``: of training, the paper's by default."""

    backbone: str = ""
    components: Literal["T", "P", "I", "TP", "TI", "PI", "TPI"] = "TPI"
    epochs: int = Field(default=10, ge=1, le=1000)
    steps: int = Field(default=100, ge=1, le=10_000)


def inputs(options: Options) -> FeatureInput:
    # The map's head has one input a patch, also where (TI) no patch is looked at.
    has_map = options.components not in ("T", "I")
    return FeatureInput(backbone=options.backbone, nearest=has_map, text="T" in options.components)


INFO = ModelInfo(
    name="inctrl",
    title="InCTRL",
    summary="In-context residuals of a query to its prompts, weighed by heads trained on an auxiliary set.",
    adapter="gad.models.inctrl.adapter:InCTRL",
    options=Options,
    inputs=inputs,
    paper="Zhu and Pang, Toward Generalist Anomaly Detection via In-context Residual Learning with "
    "Few-shot Sample Prompts, CVPR 2024, arXiv 2403.06495",
    licence="needs the weights of its backbone",
    trained=True,
    default_backbone="ViT-B-16-plus-240:laion400m_e32",
    batch_size=256,
)
