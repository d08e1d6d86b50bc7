"""``harness data``: list the datasets, prepare one, check one, show its card.

Results go to stdout, as a table or as JSON alone; notes go to stderr.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gad.harness.cli.common import DATA, AsJson, DataDir, print_json, print_table, printable
from gad.harness.cli.data_report import card, report

if TYPE_CHECKING:
    from gad.harness.manifest import Prepared
    from gad.harness.nouns import DatasetInfo

OWN = "folder"  # in place of a dataset's name: images of one's own

app = typer.Typer(no_args_is_help=True, help="List, prepare, check and show datasets.")

NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A dataset's name, or the path of a folder: in MVTec layout, or with a dataset.yaml.",
    ),
]


@app.command("list")
def list_(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show every dataset, its size, and whether it is prepared in --data."""
    rows = _rows(data)
    if as_json:
        print_json(rows)
        return
    counts = ["categories", "train normal", "test normal", "test anomalous"]
    columns = ["dataset", "protocol", *counts, "state", "source"]
    print_table(columns, [[_text(row[column.replace(" ", "_")]) for column in columns] for row in rows])


@app.command()
def prepare(
    name: NameArgument,
    raw: Annotated[
        Path | None,
        typer.Option("--raw", help="Folder with the dataset's files, or the archive they came in."),
    ] = None,
    called: Annotated[
        str, typer.Option("--name", help="For `folder`: what images of your own are to be called.")
    ] = "",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Prepare a dataset: read its raw folder once and write its manifest. Again changes nothing.

    `harness data prepare folder --raw DIR --name parts` is for images of your own: two folders good/ and bad/,
    a CSV file with the columns path and label, MVTec layout, or a dataset.yaml.
    """
    from gad.datasets import prepare as datasets

    place = _own_place(name, raw, called)
    if place is None:
        _refuse_unknown(name, data)
        _note(f"preparing {name} in {data}")
        prepared = datasets.prepare(name, raw, data)
    else:
        _note(f"preparing {called or place.resolve().name} in {data}")
        prepared = datasets.prepare_own(called, place, data)
    clean = f"no warnings; `harness data check {prepared.name} --full` looks closer"
    report(prepared, [f"warning: {warning}" for warning in prepared.warnings], as_json, clean)


@app.command()
def check(
    name: NameArgument,
    full: Annotated[bool, typer.Option("--full", help="Also read and decode every file.")] = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Check a prepared dataset. Exit code 1 if files are missing, unreadable or changed."""
    from gad.datasets import check as datasets

    prepared = _prepared(name, data)
    problems = datasets.check(prepared, data, full)
    report(prepared, problems, as_json)
    if any(datasets.is_error(problem) for problem in problems):
        raise typer.Exit(1)


@app.command()
def show(name: NameArgument, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show a dataset's card: counts, sizes and modes of its images, licence, citation, split, fingerprint."""
    from gad.datasets import catalog, describe
    from gad.harness import manifest

    _refuse_unknown(name, data)
    info = catalog.DATASETS.get(name)
    absent = info is not None and not info.bundled and not manifest.exists(data, info.name)
    prepared = None if absent else _prepared(name, data)
    said = describe.card(describe.of_prepared(prepared) if prepared else catalog.find(name), prepared)
    if as_json:
        print_json(said)
    else:
        card(said)


@app.command()
def prune(
    data: DataDir = DATA,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do it; without, it only says what would go.")
    ] = False,
) -> None:
    """Remove what archives unpacked to and no prepared dataset reads any more. Raw folders are never touched."""
    from gad.datasets import leftovers
    from gad.harness.errors import UsageError

    found = leftovers.unused(data)
    for place, size in found:
        _note(f"{place}: {size / 1e6:.1f} MB")
    if found and not yes:
        raise UsageError("nothing was removed", fix="Add --yes to remove these folders.")
    freed = leftovers.remove(data) if found else 0
    print(f"freed {freed / 1e6:.1f} MB in {data}")


def _own_place(name: str, raw: Path | None, called: str) -> Path | None:
    """Where images of one's own are, if they are meant: `folder --raw DIR`, or a folder with --name."""
    from gad.datasets.prepare import is_path
    from gad.harness.errors import UsageError

    if name == OWN and (raw is not None or not is_path(name)):
        if raw is None:
            raise UsageError(
                "`harness data prepare folder` needs to know which folder",
                fix="For example `harness data prepare folder --raw photos --name parts`.",
            )
        return raw
    if not called:
        return None
    if not is_path(name):
        raise UsageError(
            f"--name is for images of your own, and {name!r} is no folder",
            fix=f"For example `harness data prepare folder --raw DIR --name {called}`.",
        )
    return Path(name)


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

    prepared: dict[str, Prepared] = {}
    damaged: set[str] = set()
    for name in manifest.names(data):
        try:
            prepared[name] = manifest.load(data, name)
        except DataError:
            damaged.add(name)
    others = sorted((prepared.keys() | damaged) - catalog.DATASETS.keys())
    return [
        _row(name, catalog.DATASETS.get(name), prepared.get(name), name in damaged)
        for name in [*catalog.DATASETS, *others]
    ]


def _row(name: str, info: DatasetInfo | None, found: Prepared | None, damaged: bool) -> dict[str, Any]:
    """What is known of one dataset: from what was prepared, else from its card."""
    categories = found.categories if found else info.expected if info else ()
    state = "absent"
    if found or damaged:
        state = "prepared" if found else "damaged"
    elif info and info.bundled:
        state = "bundled"

    def total(field: str) -> int | None:
        return sum(getattr(c, field) for c in categories) if categories else None

    known = found or info
    return {
        "dataset": name,
        "title": known.title if known else name,
        "protocol": known.protocol if known else None,
        "categories": len(categories) or None,
        "train_normal": total("train_normal"),
        "test_normal": total("test_normal"),
        "test_anomalous": total("test_anomalous"),
        "state": state,
        "auxiliary_only": bool(info and info.auxiliary_only),
        "fingerprint": found.fingerprint if found else None,
        "licence": info.licence if info else None,
        "source": info.source if info else found.root if found else None,
        "notes": info.notes if info else "",
        "citation": info.citation if info else "",
    }


def _text(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def _note(text: str) -> None:
    typer.echo(printable(text), err=True)
