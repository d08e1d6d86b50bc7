"""`harness import`: two folders become one, whatever order and however often, and damage stays where it is."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from stored import add_run, part
from support import Bench

from gad.harness.errors import UsageError
from gad.harness.store import ingest, mapfiles, merge, read, recorded, segments
from gad.harness.store.layout import Layout
from gad.harness.store.mapfiles import Maps


def folder(place: Path, run: list[str], *records: object) -> Path:
    Layout(place).make()
    add_run(place, run, seeds=2)
    for record in records:
        segments.write(place, [record])  # type: ignore[list-item]
    ingest.ingest_all(place)
    return place


def scores(results: Path) -> list[tuple[str, str, float]]:
    with read.connect(results) as connection:
        return connection.execute("SELECT part_id, sample_id, score FROM scores ORDER BY ALL").fetchall()


def halves(place: Path) -> tuple[Path, Path]:
    """One job each, and a part that both have: done here, failed there."""
    name, content = mapfiles.pack("b1", Maps(ids=("a",), maps=np.ones((1, 2, 2), np.float16)))
    with_maps = part("b1").model_copy(update={"maps": name, "maps_most": 1})
    first = folder(place / "first", ["a", "b"], part("a0"), part("b0"), part("a1", status="failed"))
    second = folder(place / "second", ["a", "b"], with_maps, part("a1", scores=(0.3, 0.2)))
    mapfiles.write(second, name, content)
    return first, second


def test_two_halves_are_the_whole_in_either_order(tmp_path: Path) -> None:
    first, second = halves(tmp_path)
    whole = []
    for number, (one, other) in enumerate(itertools.permutations((first, second))):
        results = tmp_path / f"all-{number}"
        merge.take(one, results)
        merge.take(other, results)
        whole.append((scores(results), read.results(results, "job")))
    assert whole[0] == whole[1]
    assert [name for name, *_ in whole[0][0]] == ["a0", "a0", "a1", "a1", "b0", "b0", "b1", "b1"]
    assert [row["status"] for row in whole[0][1]] == ["done", "done"]
    assert [row["status"] for row in read.results(first, "job")] == ["done", "failed"]
    ((_, file),) = recorded.maps_kept(tmp_path / "all-0").values()
    assert mapfiles.read(tmp_path / "all-0", file).ids == ("a",)


def test_again_changes_nothing(tmp_path: Path) -> None:
    first, second = halves(tmp_path)
    before = scores(second)
    taken = merge.take(second, first)
    assert (taken.parts, taken.before, taken.damaged) == (1, 0, [])
    again = merge.take(second, first)
    assert (again.copied, again.parts, again.before) == (0, 0, taken.copied)
    assert scores(second) == before


def test_what_is_damaged_is_named_and_not_taken(tmp_path: Path) -> None:
    first, second = halves(tmp_path)
    broken = [
        next(Layout(second).maps.iterdir()),
        next(p for p in segments.listing(second) if b"b1" in p.read_bytes()),
    ]
    for path in broken:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    taken = merge.take(second, first)
    assert taken.damaged == broken
    assert "b1" not in recorded.part_states(first)
    assert recorded.part_states(first)["a1"][0] == "done"


def test_a_pipe_or_a_folder_is_not_read(tmp_path: Path) -> None:
    first, second = halves(tmp_path)
    (Layout(second).segments / "parts-x.parquet").mkdir()
    assert merge.take(second, first).damaged == [Layout(second).segments / "parts-x.parquet"]


def test_what_is_no_results_folder(tmp_path: Path) -> None:
    first, _ = halves(tmp_path)
    with pytest.raises(UsageError, match="there are no results in"):
        merge.take(tmp_path, first)
    with pytest.raises(UsageError, match="is the results folder itself"):
        merge.take(first / "." / ".." / "first", first)


def test_the_command(tmp_path: Path) -> None:
    first, second = halves(tmp_path)
    bench = Bench(tmp_path / "bench")
    for source in (first, second):
        bench.here("import", str(source))
    assert {row["status"] for row in bench.json("results", "--by", "job")} == {"done"}
    next(Layout(second).maps.iterdir()).write_bytes(b"x")
    next(Layout(bench.results).maps.iterdir()).unlink()
    ended = bench.here("import", str(second), code=3)
    assert "damaged, not taken" in ended.stderr
    assert bench.here("import", str(tmp_path), code=2).stdout == ""
