"""Card of CLIP zero-shot."""

from __future__ import annotations

from gad.harness.nouns import FeatureInput, Frozen, ModelInfo


class Options(Frozen):
    """``backbone``: a CLIP (empty: the grid's). The sentences are WinCLIP's ensemble of states and templates."""

    backbone: str = ""


def inputs(options: Options) -> FeatureInput:
    return FeatureInput(backbone=options.backbone, text=True)


INFO = ModelInfo(
    name="clip-zero-shot",
    title="CLIP zero-shot",
    summary="How much nearer an image is to sentences about a damaged object; looks at no prompt: K changes nothing.",
    adapter="gad.models.clip_zero_shot.adapter:ClipZeroShot",
    options=Options,
    inputs=inputs,
    paper="Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021, "
    "arXiv 2103.00020; sentences of WinCLIP, arXiv 2303.14814",
    licence="needs the weights of its backbone",
    min_shots=0,
    default_backbone="ViT-B-16-plus-240:laion400m_e32",
    batch_size=256,
)
