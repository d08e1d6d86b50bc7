"""What makes a method: the fields of its key, and the input it wants with everything spelled out."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from gad.harness import ids
from gad.harness.errors import HarnessError, ModelError
from gad.harness.nouns import (
    ENCODER_VERSION,
    PIXELS_VERSION,
    FeatureInput,
    Grid,
    GridResize,
    ImageInput,
    Input,
    ModelChoice,
    Precision,
)
from gad.harness.registry import Model, source_digest


def method_fields(grid: Grid, model: Model, choice: ModelChoice, wanted: Input | None) -> dict[str, Any]:
    """What goes into a method key; ``wanted`` is None for a method whose encoder is not there.

    Of a trained method the auxiliary *rule* is part ("mvtec, except visa for mvtec"), so that datasets
    can be averaged; which data exactly, is in the part ids. ``generated`` is there where weights were drawn and
    not trained, ``shots_count`` where K does not count prompts: what shows results says so. ``one_training``: one
    serves every K.
    """
    marks: dict[str, Any] = {}
    if found := _generated(choice, wanted):
        marks["generated"] = found
    if model.info.shots_count != "prompts":
        marks["shots_count"] = model.info.shots_count
    if model.info.one_training:
        marks["one_training"] = True
    if isinstance(wanted, ImageInput) and (found := _weights(choice)):
        marks["weights"] = found
    return {
        **marks,
        "model": choice.name,
        "options": choice.options,
        "source": source_digest(model),
        "input": wanted.model_dump(mode="json") if wanted else None,
        "auxiliary": _rule(grid) if model.info.trained else None,
        "batch_size": model.info.batch_size,
        "images": PIXELS_VERSION,
        "encoder": _encoder_code() if isinstance(wanted, FeatureInput) else None,
        # Only where it is so: keys of all others stand.
        **({"transductive": True} if model.info.transductive else {}),
    }


def _weights(choice: ModelChoice) -> str:
    """Which weights exactly a model that looks at images starts from, or "". Those of features are in its input."""
    from gad.models.backbones.describe import describe

    backbone = choice.options.get("backbone")
    try:
        return describe(backbone).weights if backbone and isinstance(backbone, str) else ""
    except HarnessError:
        return ""  # no backbone of ours


def _generated(choice: ModelChoice, wanted: Input | None) -> str:
    """What the weights file of a method's encoder says of having been generated, or ""."""
    from gad.models.backbones.describe import generated

    backbone = wanted.backbone if isinstance(wanted, FeatureInput) else choice.options.get("backbone")
    try:
        return generated(backbone) if backbone and isinstance(backbone, str) else ""
    except HarnessError:
        return ""  # no backbone at all: planning says so


def _rule(grid: Grid) -> dict[str, str]:
    """The auxiliary rule with folders by their names, as datasets are."""
    return {Path(target).name: Path(source).name for target, source in sorted(grid.auxiliary.items())}


@cache
def _encoder_code() -> str:
    """What turns images into features and features into what detectors share: its version and source."""
    shared = (
        "gad.harness.features.nearest",
        "gad.models.clip_text",
        "gad.models.nearest_distance",
        "gad.models.text_prior",
        "gad.models.windows",
    )
    found = [importlib.util.find_spec(name) for name in shared]
    files = [Path(spec.origin) for spec in found if spec and spec.origin]
    return ids.digest([ENCODER_VERSION, *(ids.source_digest([file], file.parent) for file in files)])[:20]


def input_of(
    model: Model, choice: ModelChoice, precision: Precision = "fp32", resize: GridResize = "crop"
) -> Input:
    """What a method wants to see; for features with layers, weights and the encoder's precision spelled out.

    ``precision`` and ``resize`` are a grid's, for encoders; a model that sees pixels has options of its own.

    Raises UsageError or ModelError for a backbone that is not known or has no weights file, and
    ModelError when the model's own code fails or says something else.
    """
    try:
        wanted = model.info.inputs(model.info.options.model_validate(choice.options))
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"model {model.info.name!r} does not say what it wants to see: {type(error).__name__}: {error}",
            fix=f"Mend its package ({model.package}).",
        ) from error
    if isinstance(wanted, ImageInput):
        return wanted
    if not isinstance(wanted, FeatureInput):
        raise ModelError(
            f"model {model.info.name!r} wants {type(wanted).__name__}, neither an ImageInput nor a FeatureInput",
            fix=f"Mend its package ({model.package}).",
        )
    from gad.models.backbones.describe import resolve

    return resolve(wanted.model_copy(update={"precision": precision, "resize": resize}))
