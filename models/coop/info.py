"""Card of CoOp."""

from __future__ import annotations

import math

from pydantic import Field

from gad.harness.nouns import FeatureInput, Frozen, ModelInfo, Trial


class Options(Frozen):
    """``backbone``: a CLIP (empty: the grid's). ``context``: learnt tokens, the paper's 16, drawn from a normal
    distribution of deviation 0.02. ``epochs``: 0 for the paper's, 50 at K = 1, 100 at K = 2 to 4 and 200 beyond.
    ``batch``: the paper's 32. ``learning_rate``: the paper's 0.002 (1e-5 in the first epoch, then a cosine).

    Images are not augmented, because they are seen through stored features; the authors crop and flip them.
    """

    backbone: str = ""
    context: int = Field(default=16, ge=1, le=70)
    epochs: int = Field(default=0, ge=0, le=10_000)
    batch: int = Field(default=32, ge=1, le=4096)
    learning_rate: float = Field(default=0.002, gt=0, le=1)


def inputs(options: Options) -> FeatureInput:
    return FeatureInput(backbone=options.backbone, text_tower=True)


def usual_epochs(shots: int) -> int:
    """The paper's, by K."""
    return 50 if shots == 1 else 100 if shots <= 4 else 200


def steps(options: Options, shots: int, categories: int, images: int) -> int:
    """Batches of a training: K normal and K anomalous images of every category, in every epoch."""
    return (options.epochs or usual_epochs(shots)) * math.ceil(2 * shots * categories / options.batch)


INFO = ModelInfo(
    name="coop",
    title="CoOp",
    summary="Learnt words before `normal` and `anomalous`, from K normal and K anomalous images of every auxiliary "
    "category: K counts these. It looks at no prompt.",
    adapter="gad.models.coop.adapter:CoOp",
    options=Options,
    inputs=inputs,
    paper="Zhou et al., Learning to Prompt for Vision-Language Models, IJCV 2022, arXiv 2109.01134",
    licence="needs the weights of its backbone",
    trained=True,
    trial=Trial(options=({"epochs": 1}, {"epochs": 3}), steps=steps),
    shots_count="auxiliary",
    default_backbone="ViT-B-16-plus-240:laion400m_e32",
    batch_size=256,
)
