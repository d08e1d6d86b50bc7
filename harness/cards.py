"""A model's card in words: what it needs, and its options with defaults. Imports nothing heavy."""

from __future__ import annotations

import ast
import inspect
import math
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from gad.harness.errors import ModelError
from gad.harness.nouns import FeatureInput, Frozen, ImageInput, ModelInfo
from gad.harness.registry import module_file

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from gad.harness.registry import Model


def card(model: Model) -> dict[str, Any]:
    """Everything that `harness models show` says, as plain data."""
    info = model.info
    return {
        "name": info.name,
        "title": info.title,
        "summary": info.summary,
        "reports": reports(info),
        "domain": info.domain,
        "needs": needs(info),
        "trained": info.trained,
        "transductive": info.transductive,
        "licence": info.licence,
        "paper": info.paper,
        "package": model.package,
        "adapter": info.adapter,
        "min_shots": info.min_shots,
        "batch_size": info.batch_size,
        "default_backbone": info.default_backbone,
        "options": {name: default(field) for name, field in info.options.model_fields.items()},
    }


def reports(info: ModelInfo) -> str:
    """What scores are, in the words of the adapter's class: the first paragraph of its docstring.

    It is read and not imported, as it may import anything; empty where there is none.
    """
    module, _, name = info.adapter.partition(":")
    try:
        file, _ = module_file(module, info.name)
        body = ast.parse(file.read_bytes()).body
    except (ModelError, OSError, ValueError, SyntaxError):
        return ""  # planning says what is wrong with it
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
    return ""


def needs(info: ModelInfo) -> str:
    """What has to be there beside the dataset, under default options: ``a CLIP, an auxiliary set``."""
    try:
        wanted = info.inputs(info.options())
    except Exception as error:  # the card's functions are their author's
        return f"not known under default options ({type(error).__name__})"
    found = []
    if isinstance(wanted, FeatureInput):
        found.append("a CLIP" if wanted.text or wanted.windows or wanted.text_tower else "an encoder")
    elif not isinstance(wanted, ImageInput):
        return f"not known ({type(wanted).__name__})"
    elif "backbone" in info.options.model_fields:
        found.append("weights to start from")
    if info.trained:
        found.append("an auxiliary set")
    return ", ".join(found) or "nothing"


def about_options(info: ModelInfo) -> str:
    """What the options' class says of itself, after what a class says that it adds to; or empty."""
    own = [kind for kind in reversed(info.options.__mro__) if issubclass(kind, BaseModel)]
    said = [
        inspect.cleandoc(vars(kind).get("__doc__") or "") for kind in own if kind not in (BaseModel, Frozen)
    ]
    return "\n".join(filter(None, said))


def kind(option: FieldInfo) -> str:
    """An option's type as its author wrote it: ``int``, ``'squash' or 'crop'``."""
    annotation = option.annotation
    choices = getattr(annotation, "__args__", ()) if "Literal" in str(annotation) else ()
    if choices:
        return " or ".join(repr(choice) for choice in choices)
    return annotation.__name__ if isinstance(annotation, type) and not choices else str(annotation)


def default(option: FieldInfo) -> Any:
    """An option's default as JSON can hold it, "required" where it has none.

    The classes are their authors': a default that cannot be made or shown must not hide the other models.
    """
    from pydantic_core import to_jsonable_python

    if option.is_required():
        return "required"
    try:
        if option.default_factory is not None and option.default_factory_takes_validated_data:
            return "computed"
        value = option.get_default(call_default_factory=True)
        return _finite(to_jsonable_python(value, bytes_mode="utf8", fallback=str))
    except Exception as error:
        return f"cannot be shown ({type(error).__name__})"


def _finite(value: Any) -> Any:
    """Infinities and NaN as words: JSON has none."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value
