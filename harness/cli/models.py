"""`harness models list` and `show`; the other verbs have files of their own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gad.harness.cli import generating, kit
from gad.harness.cli.common import AsJson, print_json, print_table, printable

if TYPE_CHECKING:
    from gad.harness.registry import Model

app = typer.Typer(no_args_is_help=True, help="The detectors that can be run.", rich_markup_mode=None)
app.command("new")(kit.new)
app.command("check")(kit.check)
app.command("generate")(generating.generate)


@app.callback()
def main() -> None:
    """The detectors that can be run."""


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Every registered model."""
    from gad.harness import cards, registry

    found = registry.load()
    rows = [cards.card(model) for _, model in sorted(found.models.items())]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ["model", "what it does", "domain", "needs", "trained", "licence", "package"],
            [
                [
                    row["name"] + (" (transductive)" if row["transductive"] else ""),
                    row["summary"],
                    row["domain"],
                    row["needs"],
                    "yes" if row["trained"] else "no",
                    row["licence"] or "not said",
                    row["package"],
                ]
                for row in rows
            ],
        )
    for prefix, relatives in found.families.items():
        names = relatives.family.names()
        there = f": {', '.join(names)}" if names else f", which is not installed: {relatives.family.extra}"
        print(f"{prefix}:NAME is {relatives.family.summary}{there}", file=sys.stderr)
    for name, reason in found.broken.items():
        print(printable(f"model {name} cannot be loaded: {reason}"), file=sys.stderr)


@app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(help="A detector (`harness models list`).")], as_json: AsJson = False
) -> None:
    """A model's card, and its options with their defaults."""
    from gad.harness import cards, registry

    model = registry.load().find(name)
    found = cards.card(model)
    if as_json:
        print_json({**found, "about_options": cards.about_options(model.info)})
        return
    _print_card(found, model)


def _print_card(found: dict[str, Any], model: Model) -> None:
    from gad.harness import cards

    said = {
        "what it does": found["summary"],
        "reports": found["reports"],
        "paper": found["paper"],
        "domain": found["domain"],
        "needs": found["needs"],
        "default backbone": found["default_backbone"],
        "trained": "yes, on an auxiliary set" if found["trained"] else "no",
        "transductive": "yes: it looks at the whole test set, and is ranked apart"
        if found["transductive"]
        else "",
        "licence": found["licence"] or "not said",
        "least K": str(found["min_shots"]),
        "package": found["package"],
    }
    rows = [[name, text] for name, text in said.items() if text]
    print_table([found["name"], found["title"]], rows)
    fields = model.info.options.model_fields
    if not fields:
        print("It has no options.")
        return
    options = [[name, str(found["options"][name]), cards.kind(field)] for name, field in fields.items()]
    print_table(["option", "default", "type"], options)
    if about := cards.about_options(model.info):
        print(printable(about))
