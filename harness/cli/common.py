"""What the commands share: options, and how JSON and tables are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

DataDir = Annotated[
    Path,
    typer.Option(
        "--data", envvar="GAD_DATA", help="Folder of prepared datasets.", show_default=True, file_okay=False
    ),
]
ResultsDir = Annotated[
    Path,
    typer.Option(
        "--results", envvar="GAD_RESULTS", help="Folder of results.", show_default=True, file_okay=False
    ),
]
CacheDir = Annotated[
    Path,
    typer.Option(
        "--cache",
        envvar="GAD_CACHE",
        help="Folder of cached features (for models with an encoder).",
        show_default=True,
        file_okay=False,
    ),
]
GridName = Annotated[
    str,
    typer.Option(
        "--grid",
        "-g",
        help="A grid file, or a grid that ships (demo, methods, paper, ablation, ablation-bundled, mnist).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON alone on standard output.")]
OnlyOption = Annotated[
    str,
    typer.Option(
        "--only", help="Keep jobs that match, e.g. model=pixel-knn,dataset=textures,shots=4,seed=0."
    ),
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Keep only the first N jobs.")]

MOST_THREADS, MOST_WORKERS = 1024, 10_000  # beyond any machine: a slip of the finger

DATA, RESULTS, CACHE = Path("gad-data"), Path("gad-results"), Path("gad-cache")


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def print_table(columns: list[str], rows: list[list[str]], *, title: str = "") -> None:
    """A table on standard output. Cells are shown as text: no markup, no terminal escapes."""
    import sys

    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=escape(printable(title)) or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in columns:
        table.add_column(escape(printable(column)), overflow="fold")
    for row in rows:
        table.add_row(*(escape(printable(cell)) for cell in row))
    # Into a file or a pipe, lines are as long as they have to be.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def printable(text: str) -> str:
    """Text with control characters made visible, so that a name cannot drive the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
