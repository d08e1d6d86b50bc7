"""What a detector wants to see of images: pixels, or features of a frozen encoder."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gad.harness.nouns.frozen import Frozen

Precision = Literal["fp32", "bf16", "fp16"]
Resize = Literal["crop", "squash", "pad"]
GridResize = Literal["crop", "squash", "pad", "tile"]

ENCODER_VERSION = 1  # raise it when gad.models.backbones would give other features; in keys and in the store
PIXELS_VERSION = 1  # raise it when gad.harness.images would give other pixels; part of every method key


class ImageInput(Frozen):
    """Images as an adapter wants them: uint8 RGB ``[n, size, size, 3]``.

    ``squash`` resizes both sides to ``size``; ``crop`` resizes the short side and cuts the centre; ``pad``
    resizes the long side and puts the image in the middle of a black square.
    Bicubic with Pillow's antialiasing, then conversion to RGB.

    Some encoders resize to more than they see (``short``, 0: to ``size``) and then cut the centre, or
    interpolate bilinearly, or convert first (``rgb_first``: it shows in palettes and transparency alone).
    These three are written out only where they are not the default, so that keys without them stand.
    """

    kind: Literal["images"] = "images"
    size: int = Field(ge=1, le=4096)
    resize: Resize = "squash"
    short: int = Field(default=0, ge=0, le=8192, exclude_if=lambda value: value == 0)
    interpolation: Literal["bicubic", "bilinear"] = Field(
        default="bicubic", exclude_if=lambda value: value == "bicubic"
    )
    rgb_first: bool = Field(default=False, exclude_if=lambda value: value is False)

    @model_validator(mode="after")
    def _crop_fits(self) -> ImageInput:
        if self.short and self.short < self.size:
            raise ValueError(f"resized to {self.short}, an image has no {self.size} pixels to cut out")
        return self


class FeatureInput(Frozen):
    """Features of a frozen encoder as an adapter wants them; class tokens always come.

    ``layers`` are blocks (1-indexed, or counted from the end: -1 is the last; empty: InCTRL's, at 7/12, 9/12
    and 11/12 of the depth), or the stages of a CNN (empty: ``stages`` if there are any, or else 2
    and 3).
    ``tokens``: the patch tokens of those blocks. ``nearest``: each query patch's distance to the nearest
    prompt patch, for those blocks, computed once for all detectors. ``text``: the normal and anomalous
    text embeddings of the category. ``windows``: window sizes s, for the class output of the encoder on
    every s x s window of patches alone (WinCLIP); with ``nearest``, their distances instead.
    ``window_priors``: the text priors of those windows, for maps: they are computed only where maps will be
    looked at, and need ``text`` and ``windows``. ``normed``: the
    tokens of all its layers after the encoder's final norm, which CNNs have not. ``text_tower``: training
    goes through the encoder's text tower. ``size``, ``weights`` and ``preprocessing`` (where it is not CLIP's)
    are filled in, and layers made positive, when the backbone is looked up. ``resize`` is the grid's: ``crop``
    is the encoder's own way, which for CLIP is to crop; ``tile`` shows a long image in several squares.
    ``precision`` of the images' pass through the encoder is the grid's. What was not always asked for is written out
    only where it is not the default, so that keys without it stand.
    """

    kind: Literal["features"] = "features"
    backbone: str
    layers: tuple[int, ...] = ()
    stages: tuple[int, ...] = Field(default=(), exclude_if=lambda value: value == ())
    tokens: bool = False
    nearest: bool = False
    text: bool = False
    windows: tuple[int, ...] = ()
    normed: bool = Field(default=False, exclude_if=lambda value: value is False)
    text_tower: bool = Field(default=False, exclude_if=lambda value: value is False)
    window_priors: bool = Field(default=False, exclude_if=lambda value: value is False)
    size: int = 0
    weights: str = ""
    preprocessing: str = Field(default="", exclude_if=lambda value: value == "")
    precision: Precision = Field(default="fp32", exclude_if=lambda value: value == "fp32")
    resize: GridResize = Field(default="crop", exclude_if=lambda value: value == "crop")

    def stream(self, layer: int) -> str:
        """The name that the feature store has for the patch tokens of a layer."""
        return f"{'normed' if self.normed else 'layer'}-{layer:02d}"

    @model_validator(mode="after")
    def _priors_can_be_had(self) -> FeatureInput:
        if self.window_priors and not (self.text and self.windows):
            raise ValueError("window_priors are text priors of windows: ask for text and for windows, too")
        return self


Input = ImageInput | FeatureInput
