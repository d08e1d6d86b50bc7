"""``harness data``: list the datasets, prepare one, check one.

Results go to stdout, as a table or as JSON alone; notes go to stderr.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gad.harness.manifest import Prepared

app = typer.Typer(no_args_is_help=True, help="List, prepare and check datasets.")

DataOption = Annotated[
    Path, typer.Option("--data", envvar="GAD_DATA", help="Folder of prepared datasets.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON alone on stdout.")]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A dataset's name, or the path of a folder in MVTec layout.")
]
HOME = Path("./gad-data")


@app.command("list")
def list_(data: DataOption = HOME, as_json: JsonOption = False) -> None:
    """Show every dataset, its size, and whether it is prepared in --data."""
    rows = _rows(data)
    if as_json:
        _print_json(rows)
        return
    columns = (
        "dataset",
        "protocol",
        "categories",
        "train normal",
        "test normal",
        "test anomalous",
        "state",
        "source",
    )
    _print_table(columns, [[_text(row[column.replace(" ", "_")]) for column in columns] for row in rows])


@app.command()
def prepare(
    name: NameArgument,
    raw: Annotated[Path | None, typer.Option("--raw", help="Folder with the dataset's files.")] = None,
    data: DataOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Prepare a dataset: read its raw folder once and write its manifest. Again changes nothing."""
    from gad.datasets import prepare as datasets

    _refuse_unknown(name, data)
    _note(f"preparing {name} in {data}")
    prepared = datasets.prepare(name, raw, data)
    _report(prepared, [f"warning: {warning}" for warning in prepared.warnings], as_json)


@app.command()
def check(
    name: NameArgument,
    full: Annotated[bool, typer.Option("--full", help="Also read and decode every file.")] = False,
    data: DataOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Check a prepared dataset. Exit code 1 if files are missing, unreadable or changed."""
    from gad.datasets import check as datasets

    prepared = _prepared(name, data)
    problems = datasets.check(prepared, data, full)
    _report(prepared, problems, as_json)
    if any(datasets.is_error(problem) for problem in problems):
        raise typer.Exit(1)


def _prepared(name: str, data: Path) -> Prepared:
    """The prepared dataset; bundled ones and folders are prepared first where they are absent."""
    from gad.datasets import prepare as datasets
    from gad.harness import manifest

    _refuse_unknown(name, data)
    if not datasets.is_path(name) and manifest.exists(data, name):
        return manifest.load(data, name)
    info = datasets.card(name)
    if info.name != name and manifest.exists(data, info.name):
        return manifest.load(data, info.name)
    if info.bundled or datasets.is_path(name):
        _note(f"preparing {info.name} in {data}")
        return datasets.prepare(name, None, data)
    return manifest.load(data, name)


def _refuse_unknown(name: str, data: Path) -> None:
    """UsageError for a name that is no dataset of the catalog, no folder, and not prepared in ``data``."""
    from gad.datasets import catalog
    from gad.datasets import prepare as datasets
    from gad.harness import manifest
    from gad.harness.errors import DataError, UsageError

    if datasets.is_path(name) or manifest.exists(data, name):
        return
    try:
        catalog.find(name)
    except DataError as error:
        raise UsageError(error.message, fix=error.fix) from None


def _rows(data: Path) -> list[dict[str, Any]]:
    """One plain row per dataset: those of the catalog, then folders that were prepared."""
    from gad.datasets import catalog
    from gad.harness import manifest
    from gad.harness.errors import DataError

    prepared: dict[str, Prepared | None] = {}
    for path in sorted(data.glob(f"*/{manifest.SUMMARY}")) if data.is_dir() else []:
        if not path.parent.name.startswith("."):
            try:
                prepared[path.parent.name] = manifest.load(data, path.parent.name)
            except DataError:
                prepared[path.parent.name] = None
    rows = []
    for name in [*catalog.DATASETS, *sorted(prepared.keys() - catalog.DATASETS.keys())]:
        info, found = catalog.DATASETS.get(name), prepared.get(name)
        categories = found.categories if found else info.expected if info else ()
        known = bool(categories)
        state = (
            "prepared"
            if found
            else "damaged"
            if name in prepared
            else "bundled"
            if info and info.bundled
            else "absent"
        )
        rows.append(
            {
                "dataset": name,
                "title": info.title if info else name,
                "protocol": found.protocol if found else info.protocol if info else None,
                "categories": len(categories) if known else None,
                "train_normal": sum(c.train_normal for c in categories) if known else None,
                "test_normal": sum(c.test_normal for c in categories) if known else None,
                "test_anomalous": sum(c.test_anomalous for c in categories) if known else None,
                "state": state,
                "auxiliary_only": bool(info and info.auxiliary_only),
                "fingerprint": found.fingerprint if found else None,
                "licence": info.licence if info else None,
                "source": info.source if info else found.root if found else None,
                "notes": info.notes if info else "",
                "citation": info.citation if info else "",
            }
        )
    return rows


def _report(prepared: Prepared, problems: list[str], as_json: bool) -> None:
    columns = ("category", "train_normal", "test_normal", "test_anomalous")
    categories = [category.model_dump(include=set(columns)) for category in prepared.categories]
    if as_json:
        _print_json(
            {
                "dataset": prepared.name,
                "fingerprint": prepared.fingerprint,
                "categories": categories,
                "problems": problems,
            }
        )
        return
    title = f"{prepared.name}  fingerprint {prepared.fingerprint[:16]}"
    _print_table(
        [c.replace("_", " ") for c in columns],
        [[_text(c[column]) for column in columns] for c in categories],
        title,
    )
    _print_problems(problems)


def _text(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def _print_json(value: object) -> None:
    import json

    typer.echo(json.dumps(value, indent=1))


def _print_table(columns: list[str] | tuple[str, ...], rows: list[list[str]], title: str = "") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title) or None, title_justify="left")
    for index, column in enumerate(columns):
        numeric = all(row[index].isdecimal() or row[index] == "-" for row in rows)
        table.add_column(column, justify="right" if numeric and rows else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table)


def _print_problems(problems: list[str]) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True, highlight=False)
    for problem in problems:
        console.print(escape(problem), style="red" if problem.startswith("error") else "yellow")
    if not problems:
        console.print("no problems", style="green")


def _note(text: str) -> None:
    typer.echo(text, err=True)
