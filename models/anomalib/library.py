"""anomalib itself, imported where a model runs; and a model of it with the weights that its options name."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import timm

from gad.harness.errors import HarnessError, ModelError
from gad.models.backbones import weights
from gad.models.backbones.spec import BackboneSpec, parse

if TYPE_CHECKING:
    from gad.models.anomalib.info import BridgeOptions

FETCH_SECONDS = 30  # without a byte
FETCHES = "download_and_extract"  # anomalib's own function, as its models import it


def models() -> ModuleType:
    """``anomalib.models``, quietly: what it and Lightning have to say at import is not for users of a harness."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import anomalib.models
    for name in ("anomalib", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for name, module in list(sys.modules.items()):
        if name.startswith("anomalib.models.image.") and hasattr(module, FETCHES):
            setattr(module, FETCHES, _not_fetched)
    return anomalib.models


def _not_fetched(root: Path, info: Any) -> None:
    """In the place of what fetches data sets and weights, gigabytes at times, in the middle of a part."""
    raise ModelError(
        f"the model wants {info.name} in {root}, and a run does not fetch it",
        fix=f"Fetch {info.url} and unpack it there, or name another folder if the model has an option for it.",
    )


def build(options: BridgeOptions) -> tuple[Any, bool]:
    """A model that is not fitted yet, and whether its maps cover the whole image.

    Raises ModelError when it cannot be made of these options, or its weights are not to be had.
    """
    kind = getattr(models(), options.MODEL)
    given = {name: value for name, value in options if name in options.GIVEN and not _left_out(options, name)}
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    spec = parse(given["backbone"]) if str(given.get("backbone")).startswith("timm:") else None
    if spec:
        given["backbone"] = spec.name
    try:
        with pretrained(spec), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The default processor is the class's own; another side has to be asked for.
            processor: Any = True
            if options.side != options.SIDE:
                processor = kind.configure_pre_processor(image_size=(options.side, options.side))
            model = kind(
                **given, pre_processor=processor, post_processor=False, evaluator=False, visualizer=False
            )
    except HarnessError:
        raise
    except OSError as error:  # torch's and the hub's, for what the model fetches by itself
        raise ModelError(
            f"weights of anomalib:{options.MODEL} are not in the local cache, and could not be fetched: "
            f"{type(error).__name__}: {weights.first_sentence(error)}",
            fix="Make the model once where there is a network, and take the caches of torch and of the hub along.",
        ) from error
    except Exception as error:  # what a constructor raises is its author's
        raise ModelError(
            f"anomalib:{options.MODEL} cannot be made of these options: {type(error).__name__}: {error}",
            fix=f"`harness models show anomalib:{options.MODEL}` shows them.",
        ) from error
    return model, "CenterCrop" not in repr(getattr(model.pre_processor, "transform", None))


def _left_out(options: BridgeOptions, name: str) -> bool:
    """Whether an option has a default that is anomalib's own business."""
    return getattr(options, name) is None


@lru_cache(maxsize=2)
def _state(spec: BackboneSpec) -> dict[str, Any]:
    """A file's weights; a process that runs many parts reads them once."""
    return weights.read(spec)


@contextlib.contextmanager
def pretrained(spec: BackboneSpec | None) -> Iterator[None]:
    """While a model is made, timm's pretrained weights are those of ``spec``'s file; or timm's own, which are
    fetched if they are in no cache: ModelError where that fails. A network that does not answer is waited for no
    longer than FETCH_SECONDS."""
    original, patience = timm.create_model, socket.getdefaulttimeout()

    def create(model_name: str, pretrained: bool = False, **rest: Any) -> Any:
        if not pretrained:
            return original(model_name, pretrained=False, **rest)
        if spec and spec.file and model_name == spec.name:
            rest["pretrained_cfg_overlay"] = {"state_dict": dict(_state(spec))}  # timm takes from it
        try:
            return original(model_name, pretrained=True, **rest)
        except Exception as error:  # network, hub, disk and files that do not fit
            place = spec.file if spec and spec.file else "the local cache, and could not be fetched"
            raise ModelError(
                f"weights of timm's {model_name} cannot be read from {place}: "
                f"{type(error).__name__}: {weights.first_sentence(error)}",
                fix=f"Name a file with its option backbone: timm:{model_name}:/path/to/weights.",
            ) from error

    timm.create_model = create
    socket.setdefaulttimeout(FETCH_SECONDS)
    try:
        yield
    finally:
        timm.create_model = original
        socket.setdefaulttimeout(patience)
