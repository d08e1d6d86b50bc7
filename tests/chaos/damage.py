"""Files that changed or went while nobody looked. What is recorded was finished before."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from random import Random

from chaos.stage import Stage, TooLate


def flip_segment(stage: Stage, random: Random) -> None:
    _flip(stage.damaged(_segment(stage, random)), random)


def truncate_segment(stage: Stage, random: Random) -> None:
    _truncate(stage.damaged(_segment(stage, random)), random)


def delete_segment(stage: Stage, random: Random) -> None:
    _segment(stage, random).unlink()


def flip_run(stage: Stage, random: Random) -> None:
    stage.now()
    _flip(random.choice(sorted((stage.bench.results / "runs").glob("*.json"))), random)


def flip_database(stage: Stage, random: Random) -> None:
    """A thousand bytes somewhere in the published database."""
    stage.now()
    _flip(stage.bench.results / "results.duckdb", random, count=1000)


def delete_database(stage: Stage, random: Random) -> None:
    stage.now()
    (stage.bench.results / "results.duckdb").unlink()
    if random.random() < 0.5:
        (stage.bench.results / ".ingest" / "store.duckdb").unlink()


def flip_private(stage: Stage, random: Random) -> None:
    """The ingester's own, and a part to take in."""
    _flip(stage.bench.results / ".ingest" / "store.duckdb", random, count=1000)
    delete_segment(stage, random)


def flip_shard(stage: Stage, random: Random) -> None:
    _flip(stage.damaged(_shard(stage, random)), random)


def truncate_shard(stage: Stage, random: Random) -> None:
    _truncate(stage.damaged(_shard(stage, random)), random)


def flip_checkpoint(stage: Stage, random: Random) -> None:
    _flip(stage.damaged(_checkpoint(stage, random)), random)


def truncate_checkpoint(stage: Stage, random: Random) -> None:
    _truncate(stage.damaged(_checkpoint(stage, random)), random)


def _segment(stage: Stage, random: Random) -> Path:
    """One that no other fault has harmed."""
    stage.now()
    left = sorted(stage.segments() - stage.harmed)
    if not left:
        raise TooLate
    name = random.choice(left)
    stage.harmed.add(name)
    return stage.bench.results / "segments" / name


def _shard(stage: Stage, random: Random) -> Path:
    """All that was made from features is gone, too: otherwise nobody would look at them."""
    _forget_results(stage)
    shutil.rmtree(stage.cache / "trainings", ignore_errors=True)
    return _one_more(stage, (stage.cache / "features").glob("*/*/*.npy"), random)


def _checkpoint(stage: Stage, random: Random) -> Path:
    _forget_results(stage)
    return _one_more(stage, (stage.cache / "trainings").glob("*/*.safetensors"), random)


def _one_more(stage: Stage, paths: Iterable[Path], random: Random) -> Path:
    """One that no other fault has damaged."""
    left = sorted(path for path in paths if path not in stage.found)
    if not left:
        raise TooLate
    return random.choice(left)


def _forget_results(stage: Stage) -> None:
    for name in stage.segments():
        stage.harmed.add(name)
        (stage.bench.results / "segments" / name).unlink()


def _flip(path: Path, random: Random, count: int = 1) -> None:
    content = bytearray(path.read_bytes())
    start = random.randrange(max(1, len(content) - count))
    for place in range(start, min(start + count, len(content))):
        content[place] ^= random.randrange(1, 256)
    path.write_bytes(content)


def _truncate(path: Path, random: Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: random.randrange(len(content))])
