"""`harness models export`: a checkpoint that was trained here, as others read it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint.safetensors of `harness train`.")],
    out: Annotated[Path, typer.Option(help="A new file, e.g. checkpoint.pyth.")],
    backbone: Annotated[
        str, typer.Option(help="The encoder it was trained on, where that is no longer where it was.")
    ] = "",
) -> None:
    """Write a trained checkpoint in the layout of the method's authors (InCTRL: with its encoder)."""
    from gad.harness import registry
    from gad.harness.errors import UsageError
    from gad.harness.executor import trainings
    from gad.harness.executor.loaded import load

    if out.exists():
        raise UsageError(f"{out} is there already", fix="Name a new file with --out.")
    if not checkpoint.is_file():
        raise UsageError(f"there is no checkpoint {checkpoint}", fix="Check the path.")
    said = trainings.header(checkpoint)
    info = registry.load().find(said["model"]).info
    if not info.exporter:
        raise UsageError(
            f"{checkpoint} is a checkpoint of {info.name}, which has no other layout",
            fix="Use it as it is: `harness score --checkpoint`.",
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    load(info.exporter)(checkpoint, backbone or said["options"]["backbone"], out)
    print(f"{out}: {info.title}, K = {said['shots']}, trained on {said['auxiliary']}", file=sys.stderr)
