"""`harness models new` and `harness models check`: for those who add a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gad.harness.cli.common import AsJson, print_json, print_table, printable

if TYPE_CHECKING:
    from gad.harness.conformance.suite import Outcome
    from gad.harness.registry import Model


def new(
    name: Annotated[str, typer.Argument(help="Name of the package, e.g. my_model.")],
    folder: Annotated[Path, typer.Option("--dir", help="Where the package's folder is made.")] = Path(),
    features: Annotated[
        bool, typer.Option("--features", help="A model on an encoder's features instead of on images.")
    ] = False,
) -> None:
    """Write a package with a model that works, to begin with."""
    from gad.harness import registry
    from gad.harness.skeleton.write import write

    known = registry.load()
    taken = {name: model.package for name, model in known.models.items()} | dict.fromkeys(known.broken, "?")
    for path in write(name, folder, taken, features=features):
        print(path)
    print(f"next: harness models check {folder / name}", file=sys.stderr)


def check(
    model: Annotated[str, typer.Argument(help="A model's name, or the folder of a package.")],
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the model's options; may be given several times.")
    ] = None,
    backbone: Annotated[
        str,
        typer.Option(
            help="Encoder of models that look through one, or weights that an image model trains from. By itself: "
            "tiny, or weights drawn for the card's architecture."
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Run the conformance suite on a model; exit code 3 if any check fails."""
    from gad.harness import registry
    from gad.harness.cli.chosen import no_backbone
    from gad.harness.conformance import given
    from gad.models.backbones.describe import describe

    chosen = given.models(model, registry.load())
    if backbone and not any("backbone" in found.info.options.model_fields for found, _ in chosen):
        raise no_backbone(model)  # of a package, those that have one get it
    if backbone:
        describe(backbone)  # what is no encoder is no fault of the model's
    reports = []
    for found, home in chosen:
        reports.append(_report(found, home, option or [], backbone, quiet=as_json))
    if as_json:
        print_json(reports)
    if not all(report["passed"] for report in reports):
        raise typer.Exit(3)


def _report(model: Model, home: str, option: list[str], backbone: str, *, quiet: bool) -> dict[str, Any]:
    """Run every check of one model, telling how far it is, and then the whole as a table."""
    import time

    from gad.harness.cli.chosen import options_of
    from gad.harness.conformance import suite
    from gad.harness.conformance.subject import Subject

    started = time.perf_counter()
    with Subject(model, options=options_of(model.info, option), backbone=backbone, home=home) as subject:
        outcomes = list(_told(suite.run(subject)))
        seen = subject.sees
        shortened = {
            name: value for name, value in model.info.check_with.items() if name not in subject.given
        }
    seconds = time.perf_counter() - started
    passed = all(outcome.status in ("passed", "skipped") for outcome in outcomes)
    if not quiet:
        rows = [[o.check.removeprefix("check_"), o.status, f"{o.seconds:.1f} s", o.message] for o in outcomes]
        print_table(["check", "", "", "what was found"], rows, title=printable(f"{model.info.name}"))
        failed = sum(outcome.status in ("failed", "blocked") for outcome in outcomes)
        verdict = (
            "conforms" if passed else f"does not conform: {failed} of {len(outcomes)} checks do not pass"
        )
        chosen = ", ".join(f"{name}={value}" for name, value in shortened.items())
        short = f" Checked with {chosen}, as its card says; --option overrides it." if chosen else ""
        print(printable(f"{model.info.name} {verdict} ({seconds:.1f} s).{short} {seen}"))
    return {
        "model": model.info.name,
        "reference": model.reference,
        "passed": passed,
        "seconds": round(seconds, 3),
        "check_with": shortened,
        "seen": seen,
        "checks": [outcome.model_dump() for outcome in outcomes],
    }


def _told(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    for outcome in outcomes:
        if sys.stderr.isatty():
            print(f"{outcome.status}: {outcome.check}", file=sys.stderr)
        yield outcome
