"""Card of InCTRL."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, model_validator

from gad.harness.nouns import FeatureInput, Frozen, ModelInfo, Trial

AS_RELEASED = {
    "batch": 16,
    "mixed_reshape": True,
    "double_sigmoid": True,
    "own_prompt": True,
    "skip_upper_jpg": True,
}


class Options(Frozen):
    """``backbone``: a CLIP (empty: the grid's). ``checkpoint``: heads that were trained elsewhere, the
    authors' or ours, as a path with ``{auxiliary}``, ``{shots}``, ``{training_seed}``; then nothing is
    trained. ``components``: what is kept of T (text prior), P (patch residual) and I (image residual).
    ``residual``: what a query and its prompts are put together by, at both levels. ``epochs``, ``steps``,
    ``batch``: of training, the paper's by default.

    What the released code does differently in training (docs/decisions/0006-inctrl-as-released.md):
    ``mixed_reshape`` reads a batch's tokens in the wrong order; ``double_sigmoid`` gives the loss
    probabilities where it expects logits; ``own_prompt`` lets a normal query be its own prompt;
    ``skip_upper_jpg`` leaves out train normals in files named .JPG; and its ``batch`` is 16.
    ``as_released`` sets all five.
    """

    backbone: str = ""
    checkpoint: str = ""
    components: Literal["T", "P", "I", "TP", "TI", "PI", "TPI"] = "TPI"
    residual: Literal["subtract", "concat", "average"] = "subtract"
    epochs: int = Field(default=10, ge=1, le=1000)
    steps: int = Field(default=100, ge=1, le=10_000)
    batch: int = Field(default=48, ge=2, le=4096, multiple_of=2)
    as_released: bool = False
    mixed_reshape: bool = False
    double_sigmoid: bool = False
    own_prompt: bool = False
    skip_upper_jpg: bool = False

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, given: Any) -> Any:
        """``as_released`` in full, so that what is shown and recorded is what was done."""
        if not (isinstance(given, dict) and given.get("as_released") is True):
            return given
        for name, value in AS_RELEASED.items():
            if given.get(name, value) != value:
                raise ValueError(f"as_released means {name}: {json.dumps(value)}, not {given[name]}")
        return {**given, **AS_RELEASED}


def inputs(options: Options) -> FeatureInput:
    # The map's head has one input a patch, also where (TI) no patch is looked at.
    has_map = options.components not in ("T", "I")
    # A distance is all that the difference needs; the others look at the nearest prompt patch itself.
    pairs = "P" in options.components and options.residual != "subtract"
    return FeatureInput(
        backbone=options.backbone,
        tokens=pairs,
        nearest=has_map and not pairs,
        text="T" in options.components,
    )


def zero_shot(options: Options) -> bool:
    """The text prior alone looks at no prompts."""
    return options.components == "T"


def steps(options: Options, shots: int, categories: int, images: int) -> int:
    """Of a training."""
    return options.epochs * options.steps


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
    zero_shot=zero_shot,
    trained=True,
    trial=Trial(
        options=({"epochs": 1, "steps": 1}, {"epochs": 1, "steps": 6}),
        steps=steps,
    ),
    importer="gad.models.inctrl.given:read_given",
    exporter="gad.models.inctrl.given:write_released",
    default_backbone="ViT-B-16-plus-240:laion400m_e32",
    batch_size=256,
)
