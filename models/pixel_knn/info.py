"""Card of pixel-knn."""

from typing import Literal

from pydantic import Field

from gad.harness.nouns import Frozen, ImageInput, ModelInfo


class Options(Frozen):
    """``size``: side of the resized image in pixels. ``resize``: how it gets there."""

    size: int = Field(default=32, ge=1, le=512)
    resize: Literal["squash", "crop"] = "squash"


def inputs(options: Options) -> ImageInput:
    return ImageInput(size=options.size, resize=options.resize)


INFO = ModelInfo(
    name="pixel-knn",
    title="Pixel nearest neighbour",
    summary="Distance to the nearest prompt in resized pixels: the floor that shows when a detector adds nothing.",
    adapter="gad.models.pixel_knn.adapter:PixelKNN",
    options=Options,
    inputs=inputs,
    paper="none: a baseline of this project",
    licence="needs no weights",
    domain="any image",
    batch_size=256,
)
