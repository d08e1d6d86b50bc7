"""`harness prompts export` and `harness prompts import`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gad.harness.cli.common import DATA, DataDir

if TYPE_CHECKING:
    from gad.harness.promptfiles import PromptFile

app = typer.Typer(no_args_is_help=True, help="The normal images that detectors are shown, as files.")

DatasetName = Annotated[
    str, typer.Option("--dataset", help="A prepared dataset, or a folder in MVTec layout.")
]
OutFile = Annotated[Path | None, typer.Option("--out", help="File to write; default: standard output.")]


@app.command("export")
def export(
    dataset: DatasetName,
    shots: Annotated[int, typer.Option(min=1, help="The largest K.")],
    seed: Annotated[
        list[int] | None, typer.Option(help="May be given several times; default: 0, 1, 2.")
    ] = None,
    data: DataDir = DATA,
    out: OutFile = None,
) -> None:
    """The prompts that grids draw, with their ids and digests, as JSON."""
    from gad.datasets.prepare import by_name
    from gad.harness import promptfiles

    _write(promptfiles.export(by_name(dataset, data), shots, seed or [0, 1, 2]), out)


@app.command("import")
def import_(
    folder: Annotated[
        Path, typer.Argument(help="Folder with one <category>.pt of the released tensors each.")
    ],
    dataset: DatasetName,
    shots: Annotated[int, typer.Option(min=1, help="K of the released set.")],
    data: DataDir = DATA,
    out: OutFile = None,
) -> None:
    """Find the train images behind prompts that InCTRL's authors released as tensors."""
    from gad.datasets.prepare import by_name
    from gad.harness.executor.released_prompts import recover

    found, warnings = recover(
        by_name(dataset, data), folder, shots, lambda text: print(text, file=sys.stderr, flush=True)
    )
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    _write(found, out)


def _write(file: PromptFile, out: Path | None) -> None:
    from gad.harness import atomic

    text = file.model_dump_json(indent=1) + "\n"
    if out is None:
        print(text, end="")
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(out, text.encode())
        print(
            f"{out}: {len(file.sets)} set(s); name it in a grid: `prompts: {{{file.dataset}: {out}}}`",
            file=sys.stderr,
        )
