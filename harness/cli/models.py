"""`harness models list`."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import typer

from gad.harness.cli.common import AsJson, print_json, print_table

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

app = typer.Typer(no_args_is_help=True, help="The detectors that can be run.", rich_markup_mode=None)


@app.callback()
def main() -> None:
    """The detectors that can be run."""


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Every registered model."""
    from gad.harness import registry

    found = registry.load()
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "title": model.info.title,
            "summary": model.info.summary,
            "domain": model.info.domain,
            "licence": model.info.licence,
            "package": model.package,
            "options": {k: _default(f) for k, f in model.info.options.model_fields.items()},
        }
        for name, model in sorted(found.models.items())
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ["model", "what it does", "options (defaults)", "package"],
            [
                [
                    r["name"],
                    r["summary"],
                    ", ".join(f"{k}={v}" for k, v in r["options"].items()),
                    r["package"],
                ]
                for r in rows
            ],
        )
    for name, reason in found.broken.items():
        print(f"model {name} cannot be loaded: {reason}", file=sys.stderr)


def _default(option: FieldInfo) -> Any:
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
