"""Card of pixel-gaussian."""

from typing import Literal

from pydantic import Field

from gad.harness.nouns import Frozen, ImageInput, ModelInfo


class Options(Frozen):
    """``size``, ``resize``: as for pixel-knn. ``noise``: standard deviation (pixels are 0..1) that every
    pixel is given beside what the prompts show; it regularises the covariance."""

    size: int = Field(default=32, ge=1, le=512)
    resize: Literal["squash", "crop"] = "squash"
    noise: float = Field(default=0.1, gt=0, le=10)


def inputs(options: Options) -> ImageInput:
    return ImageInput(size=options.size, resize=options.resize)


INFO = ModelInfo(
    name="pixel-gaussian",
    title="Pixel Gaussian",
    summary="Mahalanobis distance to a regularised Gaussian of the prompts' pixels.",
    adapter="gad.models.pixel_gaussian.adapter:PixelGaussian",
    options=Options,
    inputs=inputs,
    paper="none: a baseline of this project",
    licence="needs no weights",
    domain="any image",
    batch_size=256,
)
