"""`harness import`: results of another folder beside those that are here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gad.harness.cli.common import RESULTS, AsJson, ResultsDir, print_json, printable


def import_(
    source: Annotated[Path, typer.Argument(help="A results folder, as `harness submit` wrote it elsewhere.")],
    results: ResultsDir = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Take over the results of another folder; what is here stays. Exit code 3 if files there are damaged."""
    from gad.harness.store import merge

    taken = merge.take(source, results)
    for path in taken.damaged:
        print(printable(f"damaged, not taken: {path}"), file=sys.stderr)
    if as_json:
        print_json(
            {
                "parts": taken.parts,
                "copied": taken.copied,
                "before": taken.before,
                "damaged": [str(path) for path in taken.damaged],
            }
        )
    else:
        print(
            f"{taken.parts} parts more in {results} ({taken.copied} files copied, {taken.before} were there)"
        )
    if taken.damaged:
        raise typer.Exit(3)
