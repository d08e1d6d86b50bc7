"""`harness train`: one training, outside of any grid."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gad.harness.cli.chosen import chosen_model
from gad.harness.cli.common import CACHE, DATA, MOST_THREADS, AsJson, CacheDir, DataDir, print_json


def train(
    model: Annotated[str, typer.Option(help="A detector that is trained (`harness models list`).")],
    auxiliary: Annotated[
        str, typer.Option(help="The labelled dataset to train on: a name, or a folder in MVTec layout.")
    ],
    out: Annotated[Path, typer.Option(help="A new folder for the checkpoint and its loss curve.")],
    shots: Annotated[
        int | None, typer.Option(min=0, help="K; not for models of which one training serves every K.")
    ] = None,
    training_seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Draws the batches and the first weights.")
    ] = 10,
    backbone: Annotated[str, typer.Option(help="NAME:TAG, NAME:FILE or tiny.")] = "",
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the model's options; may be given several times.")
    ] = None,
    data: DataDir = DATA,
    cache: CacheDir = CACHE,
    threads: Annotated[
        int, typer.Option(min=1, max=MOST_THREADS, help="Threads (another number may change last bits).")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Train a detector on an auxiliary set. The same command gives the same weights."""
    from gad.datasets.prepare import by_name
    from gad.harness.errors import UsageError
    from gad.harness.executor.train_alone import train_alone

    found, options, _ = chosen_model(model, option or [], backbone)
    if not found.info.trained:
        raise UsageError(f"{model} is not trained", fix="`harness score` and grids run it as it is.")
    if found.info.one_training:
        shots = 0
    elif shots is None:
        raise UsageError(f"{model} is trained for a K", fix="Name it with --shots.")
    elif shots < (least := found.info.least_shots(options)):
        raise UsageError(f"{model} needs at least {least} prompts; K = {shots}", fix="Raise --shots.")
    story = train_alone(
        found,
        options,
        by_name(auxiliary, data),
        shots,
        training_seed,
        out,
        cache,
        threads,
        lambda text: print(text, file=sys.stderr, flush=True),
    )
    losses = story["losses"]
    summary = {
        "checkpoint": str(out / "checkpoint.safetensors"),
        "steps": len(losses),
        "first_loss": losses[0] if losses else None,
        "last_loss": losses[-1] if losses else None,
        "seconds": story["seconds"],
    }
    if as_json:
        print_json(summary)
    else:
        print(f"{summary['checkpoint']}: {len(losses)} steps in {story['seconds']:.0f} s")
