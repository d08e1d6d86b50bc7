"""Files that changed or went while nobody looked. What is recorded was finished before."""

from __future__ import annotations

from pathlib import Path
from random import Random

from chaos.stage import Stage


def flip_segment(stage: Stage, random: Random) -> None:
    _flip(_segment(stage, random), random)


def truncate_segment(stage: Stage, random: Random) -> None:
    _truncate(_segment(stage, random), random)


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
    """Results that need the features are gone, too: otherwise nobody would look at the shard."""
    _flip(_shard(stage, random), random)
    delete_segment(stage, random)


def truncate_shard(stage: Stage, random: Random) -> None:
    _truncate(_shard(stage, random), random)
    delete_segment(stage, random)


def _segment(stage: Stage, random: Random) -> Path:
    stage.now()
    name = random.choice(sorted(stage.segments()))
    stage.harmed.add(name)
    return stage.bench.results / "segments" / name


def _shard(stage: Stage, random: Random) -> Path:
    return random.choice(sorted((stage.cache / "features").rglob("*.npy")))


def _flip(path: Path, random: Random, count: int = 1) -> None:
    content = bytearray(path.read_bytes())
    start = random.randrange(max(1, len(content) - count))
    for place in range(start, min(start + count, len(content))):
        content[place] ^= random.randrange(1, 256)
    path.write_bytes(content)


def _truncate(path: Path, random: Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: random.randrange(len(content))])
