"""Card of RegAD."""

from __future__ import annotations

from pydantic import Field

from gad.harness.errors import ModelError
from gad.harness.nouns import Frozen, ImageInput, ModelInfo, Trial

ARCHITECTURES = ("resnet18", "resnet34")


class Options(Frozen):
    """``backbone``: where training starts, a ResNet-18 (the paper's) or -34 of timm with its weights: ImageNet's by
    default, as in the paper. ``size``: images are resized to a square of so many pixels (the paper's 224; ours is
    bicubic). ``epochs``: the authors' 50, and the last one is taken: their code tests every epoch on the target's
    test set and keeps the best, which is not done here. ``batch``: pairs a step, of one category (the authors' 32).
    ``learning_rate``: of SGD with momentum 0.9, the authors' 0.0001, over one cosine. ``partners``: images whose
    features, averaged, are what a query is registered with: the paper's 1 (the authors' code takes K, and they say
    that any number will do; with 1 training does not depend on K). ``epsilon``: what is added to the covariance's
    diagonal, the paper's 0.01.

    Pixels are normalised as the backbone's pretraining had them; the authors' code leaves that away.
    """

    backbone: str = ""
    size: int = Field(default=224, ge=48, le=1024)
    epochs: int = Field(default=50, ge=1, le=10_000)
    batch: int = Field(default=32, ge=1, le=4096)
    learning_rate: float = Field(default=1e-4, gt=0, le=1)
    partners: int = Field(default=1, ge=1, le=64)
    epsilon: float = Field(default=0.01, gt=0, le=1e6)


def inputs(options: Options) -> ImageInput:
    if options.backbone:
        _require_resnet(options.backbone)
    return ImageInput(size=options.size)


def _require_resnet(backbone: str) -> None:
    """Raises UsageError or ModelError for what is no such network, and for weights that are not there."""
    from gad.models.backbones.describe import describe
    from gad.models.backbones.spec import parse

    spec = parse(backbone)
    if spec.family != "timm" or spec.name.partition(".")[0] not in ARCHITECTURES or spec.size:
        raise ModelError(
            f"RegAD trains the first stages of a ResNet, and {backbone} is none of {', '.join(ARCHITECTURES)}",
            fix="Name timm:resnet18.tv_in1k as its option backbone, or timm:resnet18:/path/to/weights; "
            "the side of images is its option size.",
        )
    describe(backbone)


def steps(options: Options, shots: int, categories: int, images: int) -> int:
    """Of a training. Every image is a query once an epoch, and that is what costs; batches only put them together."""
    return options.epochs * images


INFO = ModelInfo(
    name="regad",
    title="RegAD",
    summary="Features that were trained to register images of one category: Mahalanobis distance to a Gaussian of "
    "the augmented prompts' at every position.",
    adapter="gad.models.regad.adapter:RegAD",
    options=Options,
    inputs=inputs,
    paper="Huang et al., Registration based Few-Shot Anomaly Detection, ECCV 2022, arXiv 2207.07361",
    licence="needs the weights of its backbone (timm's resnet18.tv_in1k: BSD-3-Clause)",
    trained=True,
    trains_on="normals",
    one_training=True,
    trial=Trial(
        options=({"epochs": 1}, {"epochs": 2}),
        steps=steps,
        images=8,
    ),
    check_with={"epochs": 1, "size": 48},
    shares=("gad.models.feature_maps", "gad.models.backbones.timm_models"),
    default_backbone="timm:resnet18.tv_in1k",
    batch_size=16,
)
