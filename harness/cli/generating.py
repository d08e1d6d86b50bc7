"""`harness models generate`: weights that were drawn and not trained, to try the path that features take."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def generate(
    backbone: Annotated[str, typer.Argument(help="timm:NAME, or an open_clip architecture.")],
    path: Annotated[Path, typer.Argument(help="A new .safetensors file.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")] = 0,
) -> None:
    """Draw an encoder's weights from a seed. They know nothing of any image: results are marked and never ranked."""
    from gad.harness.errors import UsageError
    from gad.models.backbones.generated import write

    if path.exists():
        raise UsageError(f"{path} is there already", fix="Name a new file.")
    write(backbone, path, seed)
    print(f"{path}: weights of {backbone}, drawn from seed {seed}", file=sys.stderr)
