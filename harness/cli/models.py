"""`harness models list`."""

from __future__ import annotations

import sys
from typing import Any

import typer

from gad.harness.cli.common import AsJson, print_json, print_table

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
            "options": {k: f.get_default() for k, f in model.info.options.model_fields.items()},
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
