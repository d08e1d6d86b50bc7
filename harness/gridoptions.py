"""Checks a mapping of the grid file with a pydantic class and says in plain words what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gad.harness.errors import did_you_mean
from gad.harness.gridproblems import Problems, below, short, visible
from gad.harness.gridtree import Broken, Entries, Items, Leaf, Tree, broken, plain, shown

Words = dict[str, Any]

_WORDS: dict[str, Callable[[str, Words], str]] = {
    "missing": lambda value, ctx: "is required",
    "extra_forbidden": lambda value, ctx: "unknown key",
    "int_type": lambda value, ctx: f"{value} is not an integer",
    "int_parsing": lambda value, ctx: f"{value} is not an integer",
    "int_from_float": lambda value, ctx: f"{value} is not an integer",
    "float_type": lambda value, ctx: f"{value} is not a number",
    "float_parsing": lambda value, ctx: f"{value} is not a number",
    "bool_type": lambda value, ctx: f"{value} is neither true nor false",
    "string_type": lambda value, ctx: f"{value} is not text; put quotes around it if it is meant to be",
    "list_type": lambda value, ctx: f"{value} is not a list",
    "tuple_type": lambda value, ctx: f"{value} is not a list",
    "set_type": lambda value, ctx: f"{value} is not a list",
    "dict_type": lambda value, ctx: f"{value} is not a mapping",
    "model_type": lambda value, ctx: f"{value} is not a mapping",
    "greater_than": lambda value, ctx: f"{value} is too small (it must be > {_bound(ctx['gt'])})",
    "greater_than_equal": lambda value, ctx: f"{value} is too small (it must be >= {_bound(ctx['ge'])})",
    "less_than": lambda value, ctx: f"{value} is too large (it must be < {_bound(ctx['lt'])})",
    "less_than_equal": lambda value, ctx: f"{value} is too large (it must be <= {_bound(ctx['le'])})",
    "literal_error": lambda value, ctx: f"{value} is not {ctx['expected']}",
    "enum": lambda value, ctx: f"{value} is not {ctx['expected']}",
    "value_error": lambda value, ctx: str(ctx["error"]),
    "assertion_error": lambda value, ctx: str(ctx["error"]) or f"{value} is not allowed",
}


def check(
    kind: type[BaseModel], tree: Entries, path: str, problems: Problems, *, noun: str
) -> dict[str, Any] | None:
    """Every setting that ``kind`` has, as JSON values, or ``None`` with the reasons in ``problems``.

    Defaults are filled in. Strict: text is not turned into a number, nor a fraction into an integer.
    ``noun`` is what one entry is called ("option", "limit").
    """
    bad = {key for key, value in tree.entries.items() if broken(value)}
    bad |= _unknown(kind, tree, path, problems, noun)
    sound = Entries(tree.line, {key: value for key, value in tree.entries.items() if key not in bad})
    try:
        made = _made(kind, sound)
        return None if bad else made.model_dump(mode="json")
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if not (detail["loc"] and detail["loc"][0] in bad):
                _report(detail, tree, path, problems)
    except Exception as error:  # a validator is the model author's code: its bug must not look like ours
        text = short(visible(f"{type(error).__name__}: {error}"))
        problems.add(tree.line, path, f"the check of these {noun}s failed: {text}")
        return None
    return None


def _made(kind: type[BaseModel], tree: Entries) -> BaseModel:
    data = plain(tree)
    try:
        return _strict(kind, data)
    except ValidationError as error:
        found = [_trail(tree, detail["loc"]) for detail in error.errors() if detail["type"] == "float_type"]
    for trail in found:
        # A text like 1e-3, where only now is it known that a number belongs there.
        if trail and isinstance(trail[-1][1], Leaf) and trail[-1][1].number is not None:
            inner = data
            for key, _ in trail[:-1]:
                inner = inner[key]
            inner[trail[-1][0]] = trail[-1][1].number
    return _strict(kind, data)


def _strict(kind: type[BaseModel], data: Any) -> BaseModel:
    # As JSON, because a strict check of Python values would want a tuple where YAML only has lists.
    return kind.model_validate_json(json.dumps(data), strict=True, by_alias=False, by_name=True)


def _trail(tree: Tree, loc: tuple[int | str, ...]) -> list[tuple[int | str, Tree]]:
    """Each key on the way to a place, with what is there, as far as the file goes.

    What pydantic says beyond that is the member of a union, or "[key]", or a key that is missing.
    """
    trail: list[tuple[int | str, Tree]] = []
    for key in loc:
        if isinstance(tree, Entries) and isinstance(key, str) and key in tree.entries:
            tree = tree.entries[key]
        elif isinstance(tree, Items) and isinstance(key, int) and key < len(tree.items):
            tree = tree.items[key]
        else:
            break
        trail.append((key, tree))
    return trail


def _unknown(kind: type[BaseModel], tree: Entries, path: str, problems: Problems, noun: str) -> set[str]:
    """Keys that ``kind`` does not have. Asked here too, for classes that would ignore them silently."""
    if kind.model_config.get("extra") == "allow":
        return set()
    names = list(kind.model_fields)
    unknown = {key for key in tree.entries if key not in names}
    for key in tree.entries:
        if key in unknown:
            hint = did_you_mean(key, names) or (f" The {noun}s are: {', '.join(names)}" if names else "")
            problems.add(tree.entries[key].line, below(path, key), f"unknown {noun}", hint)
    return unknown


def _report(detail: ErrorDetails, tree: Entries, path: str, problems: Problems) -> None:
    trail = _trail(tree, detail["loc"])
    here = trail[-1][1] if trail else tree
    for key, _ in trail:
        path = below(path, key)
    if detail["type"] == "missing" and len(trail) < len(detail["loc"]):
        path = below(path, detail["loc"][-1])  # it has no line of its own: that of what lacks it is named
    if isinstance(here, Broken):
        return
    ctx: Words = detail.get("ctx", {})
    value = shown(here)
    words = _WORDS.get(detail["type"])
    message = words(value, ctx) if words else f"{value}: {_lower(detail['msg'])}"
    hint = ""
    if "expected" in ctx and isinstance(here, Leaf) and isinstance(here.value, str):
        hint = did_you_mean(here.value, re.findall(r"'([^']*)'", str(ctx["expected"])))
    problems.add(here.line, path, visible(message)[:400], hint)


def _bound(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
