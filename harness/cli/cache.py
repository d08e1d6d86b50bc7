"""``harness cache``: what the feature store holds, and removing it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gad.harness.cli.common import CACHE, AsJson, CacheDir, print_json, print_table

if TYPE_CHECKING:
    from gad.harness.features.shards import StreamInfo
    from gad.harness.features.store import FeatureStore

app = typer.Typer(no_args_is_help=True, help="The cached features of encoders.", rich_markup_mode=None)

MEGABYTE = 1e6


@app.command()
def info(cache: CacheDir = CACHE, as_json: AsJson = False) -> None:
    """List what is stored: one line for each encoder and kind of feature."""
    found = _store(cache).info()
    if as_json:
        print_json([stream.model_dump() for stream in found])
        return
    if not found:
        print(f"no features in {cache}", file=sys.stderr)
        return
    print_table(
        ["encoder", "name", "rows", "MB", "shards"],
        [[s.encoder, s.name, str(s.rows), _megabytes(s.bytes), str(s.shards)] for s in found],
    )
    print(f"{_megabytes(_size(found))} MB in {cache}", file=sys.stderr)


@app.command()
def prune(
    cache: CacheDir = CACHE,
    encoder: Annotated[
        str, typer.Option("--encoder", metavar="KEY", help="Only this encoder's features.")
    ] = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do it; without, it only says what would go.")
    ] = False,
) -> None:
    """Remove stored features, all or one encoder's. What is needed again is encoded again."""
    from gad.harness.errors import UsageError, did_you_mean

    store = _store(cache)
    found = store.info()
    if encoder:
        keys = sorted({stream.encoder for stream in found})
        if encoder not in keys:
            raise UsageError(
                f"no features of an encoder {encoder!r} in {cache}.{did_you_mean(encoder, keys)}",
                fix="`harness cache info` lists the encoders.",
            )
        found = [stream for stream in found if stream.encoder == encoder]
    if not yes:
        whose = f"of encoder {encoder}" if encoder else "of all encoders"
        raise UsageError(
            f"this would remove {_megabytes(_size(found))} MB of features {whose} from {cache}; nothing was removed",
            fix="Add --yes to remove them.",
        )
    freed = store.prune(encoder or None)
    print(f"freed {_megabytes(freed)} MB in {cache}")


def _store(cache: Path) -> FeatureStore:
    from gad.harness.features.store import FeatureStore

    return FeatureStore(cache / "features")


def _size(streams: list[StreamInfo]) -> int:
    return sum(stream.bytes for stream in streams)


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.1f}"
