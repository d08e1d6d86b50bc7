"""Cards of anomalib's image models, ``anomalib:Padim`` and the like, made from their own signatures.

Attributes of this module are the cards by the names of anomalib's classes, and their options' classes
(``PadimOptions``): so they are found in other processes. anomalib itself is only imported where a model runs.
"""

from __future__ import annotations

import importlib.metadata
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, create_model, field_validator

from gad.harness.errors import HarnessError, ModelError, UsageError, did_you_mean
from gad.harness.nouns import Family, Frozen, ImageInput, ModelInfo
from gad.models.anomalib import signatures
from gad.models.anomalib.signatures import Parameter, Signature
from gad.models.backbones.spec import parse

EXTRA = "pip install 'gad-harness[anomalib]'"
# What the bridge decides itself: what images look like is the card's, scores and maps are raw, metrics and
# pictures are the harness's, and weights are never random.
OURS = frozenset({"pre_processor", "post_processor", "evaluator", "visualizer", "pre_trained"})
# Not fitted on K images alone.
OTHERS = {
    "AnomalyVFM": "it is trained already, and looks at no prompts",
    "EfficientAd": "it trains beside images of ImageNet, and asks validation images for the scale of its maps",
    "VlmAd": "it asks a language model of another program",
    "CFM": "it wants images with depth",
    "WinClip": "it looks for its prompts in folders of its own: use winclip",
}


class BridgeOptions(Frozen):
    """``side``: images are resized to a square of so many pixels (the model's own by default). ``max_epochs``: how
    often training sees the prompts; 0 is the number that the model itself asks for, if it does. The others are
    anomalib's, with its defaults, where "None" may stand for a default that is no plain value. A backbone may be
    named as here, ``timm:NAME`` or ``timm:NAME:FILE``: then its weights are looked for before anything runs, or read
    from the file."""

    MODEL: ClassVar[str]
    BICUBIC: ClassVar[bool]
    GIVEN: ClassVar[frozenset[str]]  # anomalib's own
    SIDE: ClassVar[int]

    side: int = Field(default=256, ge=16, le=2048)
    max_epochs: int = Field(default=0, ge=0, le=100_000)

    @field_validator("*", mode="after")
    @classmethod
    def _one_named_backbone(cls, value: Any, about: Any) -> Any:
        if isinstance(value, str) and value.startswith("timm:"):
            if about.field_name != "backbone":
                raise ValueError("weights can only be named in an option that is called backbone")
            if parse(value).size:
                raise ValueError("the side of images is the option side")
        return value


def names() -> tuple[str, ...]:
    """The models that can be asked for; none where anomalib is not installed."""
    place = signatures.folder()
    return tuple(sorted(signatures.modules(place).keys() - OTHERS.keys())) if place else ()


def info(name: str) -> ModelInfo:
    """A model's card. ModelError where anomalib is not installed, UsageError for a name that it does not have."""
    place = signatures.folder()
    if place is None:
        raise ModelError(
            f"anomalib:{name} needs anomalib, which is not installed", fix=f"Install the extra: {EXTRA}"
        )
    if name in OTHERS:
        raise UsageError(f"anomalib:{name} cannot be fitted on K images: {OTHERS[name]}")
    if name not in signatures.modules(place):
        found = did_you_mean(name, names())
        raise UsageError(
            f"anomalib {_version()} has no image model {name!r}.{found}", fix=f"It has {', '.join(names())}."
        )
    return _card(place, name)


@lru_cache(maxsize=64)
def _card(place: Path, name: str) -> ModelInfo:
    signature = signatures.read(place, name)
    return ModelInfo(
        name=f"anomalib:{name}",
        title=f"{name} of anomalib",
        summary=f"anomalib {_version()}: {signature.summary}",
        adapter="gad.models.anomalib.adapter:Bridge",
        options=_options(signature),
        inputs=inputs,
        paper="see anomalib's documentation of the model",
        licence="anomalib: Apache-2.0; needs the weights of its backbone",
        distributions=("anomalib",),
        batch_size=16,
    )


def _options(signature: Signature) -> type[BridgeOptions]:
    own = [each for each in signature.parameters if each.name not in OURS]
    if clash := [each.name for each in own if each.name in BridgeOptions.model_fields]:
        raise ModelError(
            f"anomalib:{signature.name} has options that the bridge has, too: {', '.join(clash)}"
        )
    side: Any = ... if not signature.side else signature.side
    fields: dict[str, Any] = {each.name: (each.kind, _default(each)) for each in own}
    fields["side"] = (int, Field(default=side, ge=16, le=2048))
    made = create_model(f"{signature.name}Options", __base__=BridgeOptions, __module__=__name__, **fields)
    made.__doc__ = None  # the base's says it
    made.MODEL, made.BICUBIC = signature.name, signature.interpolation == "bicubic"
    made.GIVEN, made.SIDE = frozenset(each.name for each in own), signature.side
    return made


def _default(parameter: Parameter) -> Any:
    value = parameter.default
    return tuple(value) if isinstance(value, list) else value


def inputs(options: BridgeOptions) -> ImageInput:
    """Squares, as anomalib has them: it resizes without regard to form."""
    return ImageInput(
        size=options.side, interpolation="bicubic" if options.BICUBIC else "bilinear", rgb_first=True
    )


def _version() -> str:
    try:
        return importlib.metadata.version("anomalib")
    except importlib.metadata.PackageNotFoundError:
        return ""


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        try:
            card = info(name.removesuffix("Options"))
        except HarnessError as error:
            raise AttributeError(str(error)) from error
        return card.options if name.endswith("Options") else card
    raise AttributeError(name)


FAMILY = Family(
    prefix="anomalib",
    summary="any image model of anomalib that can be fitted on K images",
    names=names,
    info=info,
    extra=EXTRA,
)
