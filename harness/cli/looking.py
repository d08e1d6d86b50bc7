"""Commands that only look: `results`, `status`, `leaderboard`, `doctor`; and `db rebuild`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gad.harness.cli import tables
from gad.harness.cli.common import (
    CACHE,
    DATA,
    RESULTS,
    AsJson,
    CacheDir,
    DataDir,
    ResultsDir,
    print_json,
    print_table,
)
from gad.harness.cli.shown import called, mean_and_std, seeds, varying_options, with_options
from gad.harness.nouns import spelled_shots

database = typer.Typer(no_args_is_help=True, help="The result database.", rich_markup_mode=None)


class Level(StrEnum):
    dataset = "dataset"
    category = "category"
    job = "job"


class Layout(StrEnum):
    ablation = "ablation"
    pixel = "pixel"
    costs = "costs"


def results(
    results: ResultsDir = RESULTS,
    by: Annotated[
        Level, typer.Option(help="One row for each dataset and K, category, or job.")
    ] = Level.dataset,
    layout: Annotated[
        Layout | None,
        typer.Option(
            help="ablation: InCTRL's variants by datasets, averaged by domain, a table for each K; pixel: metrics "
            "of maps against masks; costs: seconds an image, parameters, memory."
        ),
    ] = None,
    format_: Annotated[
        tables.Format | None,
        typer.Option("--format", help="The leaderboard's table: methods by datasets, for each K."),
    ] = None,
    shots: Annotated[int | None, typer.Option(min=0, help="With --format: only this K.")] = None,
    metric: Annotated[str, typer.Option(help="With --format: auroc, auprc, f1_max or fpr95.")] = "auroc",
    as_json: AsJson = False,
) -> None:
    """The stored results."""
    from gad.harness.store import read

    _go_together(by, layout, format_, shots, metric, as_json)
    if layout is Layout.ablation:
        from gad.harness.cli.ablation import show

        show(results, as_json)
        return
    if format_ is not None:
        tables.print_board(results, format_.value, shots, metric)
        return

    if layout is not None:
        from gad.harness.cli import layouts

        (layouts.pixel if layout is Layout.pixel else layouts.costs)(results, as_json)
        return
    rows = read.results(results, by.value)
    if as_json:
        marks = Counter(part["job_id"] for part in read.halved(results))
        print_json([with_options(row, marks) for row in rows])
    elif not rows:
        print(f"no results in {results} yet; `harness submit --grid demo` makes some", file=sys.stderr)
    elif by is Level.dataset:
        print_results(results)
    else:
        skipped = ("options", "method_key", "column_key", "last_run", "protocol")
        columns = [c for c in rows[0] if c not in skipped and not _without_pixels(rows, c)]
        print_table(columns, [[_cell(c, row[c]) for c in columns] for row in rows])


def _go_together(
    by: Level,
    layout: Layout | None,
    format_: tables.Format | None,
    shots: int | None,
    metric: str,
    as_json: bool,
) -> None:
    """UsageError for options of which one would be ignored."""
    from gad.harness.errors import UsageError

    wrong = ""
    if format_ is not None and (layout is not None or as_json):
        wrong = "--format goes with neither --layout nor --json"
    elif format_ is None and (shots is not None or metric != "auroc"):
        wrong = "--shots and --metric go with --format alone"
    elif by is not Level.dataset and (layout is not None or format_ is not None):
        wrong = "--by goes with neither --layout nor --format"
    if wrong:
        raise UsageError(wrong, fix="Leave one of them away.")


def _without_pixels(rows: list[dict[str, Any]], column: str) -> bool:
    return column.startswith("pixel_") and all(row[column] is None for row in rows)


def print_results(results: Path, methods: set[str] | None = None) -> None:
    """Datasets as rows, one column a K: AUROC and AUPRC as mean ± std, with what is missing said."""
    from gad.harness.store import read

    rows = [r for r in read.results(results, "dataset") if methods is None or r["method_key"] in methods]
    names = varying_options(rows)
    table = []
    for row in rows:
        table.append(
            [
                called(row, names),
                row["dataset"] + (f" (test limited to {row['test_images']})" if row["test_images"] else ""),
                spelled_shots(row["shots"]),
                mean_and_std(row["auroc_mean"], row["auroc_std"]),
                mean_and_std(row["auprc_mean"], row["auprc_std"]),
                seeds(row),
            ]
        )
    print_table(["model", "dataset", "K", "AUROC", "AUPRC", "seeds"], table)
    print_halved([row for row in read.halved(results) if methods is None or row["method_key"] in methods])


def print_halved(parts: list[dict[str, Any]]) -> None:
    """Say which parts were not scored in their canonical batches."""
    if parts:
        print_table(
            ["ran out of memory; scored with smaller batches, so last bits may differ", "batch"],
            [[f"{part['name']} {part['category']}", str(part["halved_batch"])] for part in parts],
        )


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if column == "shots":
        return spelled_shots(value)
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def status_counts(states: Iterable[str]) -> dict[str, int]:
    """How many of each status word, in the order of the words, zeros left out."""
    found = list(states)
    words = ("done", "running", "failed", "skipped", "planned")
    return {word: found.count(word) for word in words if word in found}


def leaderboard(
    results: ResultsDir = RESULTS,
    data: DataDir = DATA,
    cache: CacheDir = CACHE,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port; the next free one if it is taken.")
    ] = 8501,
    host: Annotated[
        str, typer.Option(help="Address to listen on; loopback unless told otherwise.")
    ] = "127.0.0.1",
) -> None:
    """Serve the leaderboard in a browser."""
    from gad.leaderboard.serve import Folders, serve

    raise typer.Exit(serve(Folders(results, data, cache), port=port, host=host))


@database.callback()
def database_main() -> None:
    """The result database."""


@database.command("rebuild")
def rebuild(results: ResultsDir = RESULTS) -> None:
    """Make the database again from the files of finished parts."""
    from gad.harness.errors import StoreError
    from gad.harness.store.ingest import rebuild as make_again
    from gad.harness.store.read import has_files

    if not has_files(results):
        raise StoreError(
            f"{results} holds no results to rebuild from", fix="Name the folder with --results DIR."
        )
    done = make_again(results)
    print(f"rebuilt from {done.runs} runs and {done.records} records", file=sys.stderr)
    for path in done.damaged:
        print(f"damaged, left out: {path}; `harness submit` computes its parts again", file=sys.stderr)


def doctor(
    data: DataDir = DATA, results: ResultsDir = RESULTS, cache: CacheDir = CACHE, as_json: AsJson = False
) -> None:
    """Check this installation: versions, cores, memory, disk, GPUs, folders."""
    from gad.harness.doctor import examine

    findings = examine(data=data, results=results, cache=cache)
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        print_table(["", "what", "found"], [["ok" if f.ok else "PROBLEM", f.what, f.found] for f in findings])
    raise typer.Exit(0 if all(f.ok for f in findings) else 1)
