"""Streaming: features of test images are never on disk, and every score has the bits it has otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Bench

from gad.harness.executor.child import batches
from gad.harness.executor.slices import Slices
from gad.harness.store.records import PartRecord
from gad.harness.units import SLICE, ScoreUnit

pytestmark = pytest.mark.timeout(600)

# Ten categories test the same 899 digits, which are eight slices; nothing is trained.
GRID = """
models: [winclip]
datasets: [digits-one-vs-all]
shots: [2]
seeds: [0]
backbone: tiny
"""


def test_streamed_scores_have_the_same_bits(tmp_path: Path, bundled: Path) -> None:
    kept, streamed = Bench(tmp_path / "kept", data=bundled), Bench(tmp_path / "streamed", data=bundled)
    kept.run("submit", "--grid", kept.grid(GRID), "--workers", "2")
    streamed.run("submit", "--grid", streamed.grid(GRID), "--workers", "2", "--features", "stream")
    assert streamed.scores() == kept.scores()
    assert streamed.table() == kept.table()
    drawn = {digest for (digest,) in kept.query("SELECT DISTINCT sample_id FROM prompts")}
    for bench in (kept, streamed):
        ((images,),) = bench.query("SELECT sum(images) FROM tasks WHERE stage = 'encode'")
        assert images == 899 + len(drawn)
    (info,) = (s for s in streamed.json("cache", "info") if s["name"] == "class")
    assert info["rows"] == len(drawn)
    again = streamed.run("submit", "--grid", streamed.grid(GRID), "--features", "stream")
    assert "nothing to do" in again.stderr


def test_what_is_kept_is_not_encoded_again(tmp_path: Path, bundled: Path) -> None:
    """A cache that holds some layers of the test images serves a streamed run; the rest is encoded."""
    bench = Bench(tmp_path, data=bundled)
    text = GRID.replace("one-vs-all", "multi-class")
    first = bench.grid(text.replace("[winclip]", "[patchcore]"))
    bench.run("submit", "--grid", first, "--workers", "1")
    second = bench.grid(text.replace("[winclip]", "[winclip, patchcore]"))
    bench.run("submit", "--grid", second, "--workers", "1", "--features", "stream")
    cold = Bench(tmp_path / "cold", data=bundled)
    cold.run("submit", "--grid", cold.grid(Path(second).read_text()), "--workers", "1")
    stored = bench.scores()
    assert {key: stored[key] for key in cold.scores()} == cold.scores()
    # Windows alone were missing: patchcore's layers were not stored a second time.
    rows = {s["name"]: s["rows"] for s in bench.json("cache", "info")}
    assert rows["window-2"] == rows["window-3"] == 2
    assert rows["layer-05"] > 899


@pytest.mark.parametrize("size", [1, 7, 32, 100, SLICE, 1000])
@pytest.mark.parametrize("count", [0, 1, SLICE - 1, SLICE, SLICE + 1, 3 * SLICE + 5])
def test_batches_of_a_split_are_those_of_its_slices(size: int, count: int) -> None:
    whole = batches(count, size)
    assert [n for first, last in whole for n in range(first, last)] == list(range(count))
    assert all(last - first <= size for first, last in whole)
    sliced = [
        (start + first, start + last)
        for start in range(0, count, SLICE)
        for first, last in batches(min(SLICE, count - start), size)
    ]
    assert sliced == whole


def record(part: str, *scores: float, error: str = "") -> PartRecord:
    return PartRecord(
        part_id=part,
        status="failed" if error else "done",
        run_id="r",
        dataset="d",
        category="c",
        model="m",
        options="{}",
        shots=1,
        seed=0,
        method_key="k",
        prompts=(),
        scores=scores,
        error=error,
        seconds=1.0,
        peak_memory_mb=sum(scores),
    )


def unit(number: int, slices: int = 3) -> ScoreUnit:
    return ScoreUnit.model_construct(slice=number, slices=slices)


def test_slices_come_together_in_order() -> None:
    slices = Slices()
    assert slices.add(unit(2), record("a", 5.0)) is None
    assert slices.add(unit(0), record("a", 1.0, 2.0)) is None
    assert slices.add(unit(0), record("b", 1.0)) is None
    assert slices.add(unit(0), record("a", 1.0, 2.0)) is None  # a task that was run again after a lost node
    whole = slices.add(unit(1), record("a", 3.0, 4.0))
    assert whole is not None
    assert (whole.scores, whole.seconds, whole.peak_memory_mb) == ((1.0, 2.0, 3.0, 4.0, 5.0), 3.0, 7.0)
    assert slices.add(unit(0, 1), record("c", 9.0)) == record("c", 9.0)


def test_a_failed_slice_fails_its_part_once() -> None:
    slices = Slices()
    assert slices.add(unit(0), record("a", 1.0)) is None
    failed = slices.add(unit(1), record("a", error="no"))
    assert failed is not None
    assert failed.status == "failed"
    assert slices.add(unit(2), record("a", 2.0)) is None
    assert slices.add(unit(0), record("a", error="no")) is None
