"""`harness cache`: what is stored is listed, and removed only when asked twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import Bench

from gad.harness.features.shards import Stream
from gad.harness.features.store import FeatureStore


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A cache with two encoders: aa11 has class tokens in two shards and a layer, bb22 has texts."""
    store = FeatureStore(tmp_path / "gad-cache" / "features")
    names = [f"{number:064x}" for number in range(3)]
    rows = np.ones((3, 100_000), np.float32)
    store.write(Stream(encoder="aa11", name="class"), names[:2], rows[:2])
    store.write(Stream(encoder="aa11", name="class"), names[1:], rows[1:])
    store.write(Stream(encoder="aa11", name="layer-07"), names, np.ones((3, 4, 8), np.float16))
    store.write(Stream(encoder="bb22", name="text"), names[:1], rows[:1])
    return Bench(tmp_path)


def listed(bench: Bench) -> list[tuple[str, str, int, int]]:
    rows = bench.json("cache", "info")
    return [(r["encoder"], r["name"], r["rows"], r["shards"]) for r in rows]


def stored(bench: Bench, encoder: str = "*") -> int:
    return sum(p.stat().st_size for p in (bench.folder / "gad-cache/features").glob(f"{encoder}/*/*"))


def test_info(bench: Bench) -> None:
    assert listed(bench) == [("aa11", "class", 3, 2), ("aa11", "layer-07", 3, 1), ("bb22", "text", 1, 1)]
    assert sum(row["bytes"] for row in bench.json("cache", "info")) == stored(bench)
    shown = bench.here("cache", "info", "--cache", str(bench.folder / "gad-cache"))
    (line,) = [line for line in shown.stdout.splitlines() if "class" in line]
    assert line.split() == ["aa11", "class", "3", "1.6", "2"]
    assert "2.0 MB in" in shown.stderr


def test_prune_of_one_encoder(bench: Bench) -> None:
    size = stored(bench, "bb22")
    refused = bench.here("cache", "prune", "--encoder", "bb22", code=2)
    assert "would remove 0.4 MB of features of encoder bb22" in refused.stderr
    assert "--yes" in refused.stderr
    assert stored(bench, "bb22") == size
    assert bench.here("cache", "prune", "--encoder", "bb22", "--yes").stdout.startswith("freed 0.4 MB")
    assert {encoder for encoder, *_ in listed(bench)} == {"aa11"}


def test_prune_of_everything(bench: Bench) -> None:
    refused = bench.here("cache", "prune", code=2)
    assert "2.0 MB of features of all encoders" in refused.stderr
    assert bench.here("cache", "prune", "--yes").stdout.startswith("freed 2.0 MB")
    assert (listed(bench), stored(bench)) == ([], 0)
    assert bench.here("cache", "prune", "--yes").stdout.startswith("freed 0.0 MB")


def test_an_encoder_that_is_not_there(bench: Bench) -> None:
    bad = bench.here("cache", "prune", "--encoder", "bb23", "--yes", code=2)
    assert "Did you mean 'bb22'" in bad.stderr
    assert len(listed(bench)) == 3


def test_no_cache(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    shown = bench.run("cache", "info")
    assert (shown.stdout, shown.stderr) == ("", "no features in gad-cache\n")
    assert bench.json("cache", "info") == []
    assert not (tmp_path / "gad-cache").exists()
