"""The leaderboard's tables on the command line: `results --format`, `export`; and `diff` of two jobs."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gad.harness.cli.common import RESULTS, AsJson, ResultsDir, print_json, print_table


class Format(StrEnum):
    table = "table"
    csv = "csv"
    md = "md"
    latex = "latex"


def print_board(results: Path, format_: str, shots: int | None, metric: str) -> None:
    """The leaderboard's main table as text. UsageError for a K or metric that is not there."""
    from gad.leaderboard import exports
    from gad.leaderboard.sheetformats import FORMATS

    sheets = exports.boards(results, metric, shots)
    if not sheets:
        print(f"no results in {results} yet; `harness submit --grid demo` makes some", file=sys.stderr)
    for number, sheet in enumerate(sheets.values()):
        if format_ != "latex":  # which says it in a comment of its own
            print(
                f"{chr(10) if number else ''}# {sheet.title}",
                file=sys.stderr if format_ == "csv" else sys.stdout,
            )
        print(FORMATS[format_][0](sheet), end="")


def export(
    out: Annotated[Path, typer.Option("--out", help="Folder to write into; it is made.")],
    results: ResultsDir = RESULTS,
    format_: Annotated[Format, typer.Option("--format", help="What the tables are written as.")] = Format.csv,
) -> None:
    """Write every table of the leaderboard as a file: main tables, against K, comparisons, ablations."""
    from gad.harness import atomic
    from gad.leaderboard import exports
    from gad.leaderboard.sheetformats import FORMATS, stem

    make, ending, _ = FORMATS[format_.value]
    sheets = exports.everything(results)
    if not sheets:
        print(f"no results in {results} yet; `harness submit --grid demo` makes some", file=sys.stderr)
        raise typer.Exit(1)
    out.mkdir(parents=True, exist_ok=True)
    written: set[str] = set()
    for name, sheet in sheets.items():
        plain = stem(name)
        plain = plain if plain not in written else f"{plain}-{len(written)}"  # two names that differ in signs
        written.add(plain)
        atomic.write_bytes(out / f"{plain}.{ending}", make(sheet).encode())
    print(f"{len(sheets)} tables in {out}", file=sys.stderr)


def diff(
    first: Annotated[str, typer.Argument(help="A job's name or id.")],
    second: Annotated[str, typer.Argument(help="Another's.")],
    results: ResultsDir = RESULTS,
    as_json: AsJson = False,
) -> None:
    """What differs between two recorded jobs: options, keys, prompts, environment, results."""
    from gad.harness.store import jobdiff

    lines = jobdiff.difference(results, first, second)
    if as_json:
        print_json({name: [a, b] for name, a, b in lines})
    elif lines:
        print_table(["field", first, second], [list(line) for line in lines])
    else:
        print("nothing that is recorded differs", file=sys.stderr)
