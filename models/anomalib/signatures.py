"""What anomalib's models are called and take, read from its source: importing it takes seconds, and torch.

A model is a class that ``anomalib.models.image`` gives, with its ``__init__`` in a file ``lightning_model.py``.
"""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import Any

PLAIN = {"int": int, "float": float, "bool": bool, "str": str, "Path": str}
LISTS = ("list", "Sequence", "collections.abc.Sequence")
UNSPOKEN = "anomalib's own"  # a default that is no plain value


@dataclass(frozen=True)
class Parameter:
    """``kind``: what pydantic checks it as; ``default``: plain data, or None where ``unspoken``."""

    name: str
    kind: Any
    default: Any
    unspoken: bool = False


@dataclass(frozen=True)
class Signature:
    """``side``: of the square that the model resizes images to, 0 where the source does not say it in figures.
    ``summary``: the first line of the class's description."""

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    side: int
    interpolation: str


def folder() -> Path | None:
    """Where anomalib's image models are, None where it is not installed. Nothing is imported."""
    found = importlib.util.find_spec("anomalib")
    if found is None or not found.submodule_search_locations:
        return None
    place = Path(found.submodule_search_locations[0]) / "models/image"
    return place if (place / "__init__.py").is_file() else None


@lru_cache(maxsize=4)
def modules(place: Path) -> dict[str, str]:
    """Names of models with the folder that each is in."""
    tree = ast.parse((place / "__init__.py").read_text(encoding="utf-8"))
    return {
        alias.asname or alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
        for alias in node.names
        if (place / node.module / "lightning_model.py").is_file()
    }


@lru_cache(maxsize=64)
def read(place: Path, name: str) -> Signature:
    """The signature of a model that :func:`modules` names. ValueError for source that is not understood."""
    tree = ast.parse((place / modules(place)[name] / "lightning_model.py").read_text(encoding="utf-8"))
    (found,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    methods = {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}
    if "__init__" not in methods:
        raise ValueError(f"class {name} of anomalib has no __init__")
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    prepared = methods.get("configure_pre_processor")
    return Signature(
        name=name,
        summary=(ast.get_docstring(found) or name).strip().splitlines()[0],
        parameters=tuple(_parameters(methods["__init__"].args)),
        side=_side(prepared, constants) if prepared else 256,  # that of anomalib's base class
        interpolation="bicubic" if prepared and "BICUBIC" in ast.unparse(prepared) else "bilinear",
    )


def _parameters(arguments: ast.arguments) -> list[Parameter]:
    named = [*arguments.posonlyargs, *arguments.args][1:]  # the first is self
    defaults: list[ast.expr | None] = [None] * (len(named) - len(arguments.defaults)) + [*arguments.defaults]
    pairs = [
        *zip(named, defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return [_parameter(each.arg, each.annotation, default) for each, default in pairs]


def _parameter(name: str, annotation: ast.expr | None, default: ast.expr | None) -> Parameter:
    kind = _kind(annotation)
    try:
        if default is None:
            raise ValueError("there is none")
        value = ast.literal_eval(default)
    except ValueError:
        return Parameter(name, kind if kind is Any else kind | None, None, unspoken=True)
    return Parameter(name, kind, value)


def _kind(annotation: ast.expr | None) -> Any:
    """A type that plain data can have; Any for one that is anomalib's own business."""
    match annotation:
        case ast.Constant(value=None):
            return NoneType
        case ast.Constant(value=str(text)):
            return _kind(ast.parse(text, mode="eval").body)
        case ast.Name(id=name):
            return PLAIN.get(name, Any)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            kinds = (_kind(left), _kind(right))
            return Any if Any in kinds else kinds[0] | kinds[1]
        case ast.Subscript(value=outer, slice=inner) if ast.unparse(outer) in LISTS:
            return tuple[_kind(inner), ...]  # type: ignore[misc]
    return Any


def _side(prepared: ast.FunctionDef, constants: dict[str, ast.expr]) -> int:
    """The A of ``image_size or (A, A)``, or 0."""
    for node in ast.walk(prepared):
        if not (isinstance(node, ast.BoolOp) and isinstance(node.values[-1], ast.Tuple)):
            continue
        pair = [
            constants.get(each.id, each) if isinstance(each, ast.Name) else each
            for each in node.values[-1].elts
        ]
        sides = [
            each.value for each in pair if isinstance(each, ast.Constant) and isinstance(each.value, int)
        ]
        if len(sides) == 2 and sides[0] == sides[1]:
            return sides[0]
    return 0
