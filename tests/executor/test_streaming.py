"""Streaming: features of test images are never on disk, and every score has the bits it has otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Bench

from gad.harness.executor.child import batches
from gad.harness.executor.ended import Ended
from gad.harness.executor.slices import Slices
from gad.harness.store import mapfiles
from gad.harness.store.recorded import maps_kept
from gad.harness.store.records import PartRecord
from gad.harness.units import SLICE, ScoreUnit

pytestmark = pytest.mark.timeout(600)

CLASSES, TESTS = ("ring", "cross", "dot"), 50  # three categories test the same 150 images: two slices
GRID = """
models: [{models}]
datasets: ['{folder}']
shots: [2]
seeds: [0]
backbone: tiny
maps: {{worst: 5}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled images, one class against all."""
    folder = tmp_path_factory.mktemp("raw") / "shapes"
    generator = np.random.default_rng(0)
    for name in CLASSES:
        for split, count in (("train", 3), ("test", TESTS)):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (20, 20, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number:03d}.png")
    (folder / "dataset.yaml").write_text("protocol: one-vs-all\n")
    return folder


@pytest.fixture(scope="module")
def kept(folder: Path, tmp_path_factory: pytest.TempPathFactory, cluster: str) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("kept"))
    bench.run(
        "submit", "--grid", bench.grid(GRID.format(models="winclip", folder=folder)), "--address", cluster
    )
    return bench


def encoded(bench: Bench) -> int:
    ((images,),) = bench.query("SELECT sum(images) FROM tasks WHERE stage = 'encode'")
    return int(images)


def all_maps(bench: Bench) -> dict[str, tuple[tuple[str, ...], bytes]]:
    """Of every part, the ids and bits of its maps: 5 normal and 5 anomalous ones, on tiny's 8x8 patches."""
    found = {part: mapfiles.read(bench.results, name) for part, (_, name) in maps_kept(bench.results).items()}
    assert {maps.maps.shape for maps in found.values()} == {(10, 8, 8)}
    return {part: (maps.ids, maps.maps.tobytes()) for part, maps in found.items()}


def rows(bench: Bench) -> dict[str, int]:
    return {stream["name"]: stream["rows"] for stream in bench.json("cache", "info")}


def test_streamed_scores_have_the_same_bits(kept: Bench, folder: Path, tmp_path: Path) -> None:
    streamed = Bench(tmp_path)
    path = streamed.grid(GRID.format(models="winclip", folder=folder))
    streamed.run("submit", "--grid", path, "--workers", "2", "--features", "stream")
    assert len(streamed.scores()) == len(CLASSES) * len(CLASSES) * TESTS
    assert streamed.scores() == kept.scores()
    assert streamed.table() == kept.table()
    assert all_maps(streamed) == all_maps(kept)
    drawn = 2 * len(CLASSES)
    assert encoded(streamed) == encoded(kept) == len(CLASSES) * TESTS + drawn
    assert rows(streamed)["class"] == drawn
    assert "nothing to do" in streamed.run("submit", "--grid", path, "--features", "stream").stderr


def test_what_is_kept_is_used_and_what_is_damaged_is_not(
    kept: Bench, folder: Path, tmp_path: Path, cluster: str
) -> None:
    """A cache that holds WinCLIP's rows serves a streamed run of more; one of its shards is damaged."""
    bench = Bench(tmp_path)
    shutil.copytree(kept.folder / "gad-cache", bench.folder / "gad-cache")
    shards = sorted((bench.folder / "gad-cache" / "features").rglob("class/*.npy"))
    shard = max(shards, key=lambda path: path.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(bytes(content))
    before = rows(bench)
    path = bench.grid(GRID.format(models="winclip, patchcore", folder=folder))
    bench.run("submit", "--grid", path, "--address", cluster, "--features", "stream")
    stored = bench.scores()
    assert {key: stored[key] for key in kept.scores()} == kept.scores()
    after = rows(bench)
    assert list(shard.parent.glob("damaged/*.npy"))
    # PatchCore's layers of the prompts alone were kept; WinCLIP's rows were not stored a second time.
    assert after["layer-03"] == 2 * len(CLASSES)
    assert after["window-2"] == before["window-2"] == len(CLASSES) * (TESTS + 2)


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


def ended(part: str, *scores: float, error: str = "") -> Ended:
    record = PartRecord(
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
    return Ended(record)


def unit(number: int, slices: int = 3) -> ScoreUnit:
    return ScoreUnit.model_construct(slice=number, slices=slices)


def test_slices_come_together_in_order() -> None:
    slices = Slices()
    assert slices.add(unit(2), ended("a", 5.0)) is None
    assert slices.add(unit(0), ended("a", 1.0, 2.0)) is None
    assert slices.add(unit(0), ended("b", 1.0)) is None
    assert slices.add(unit(0), ended("a", 1.0, 2.0)) is None  # a task that was run again after a lost node
    whole = slices.add(unit(1), ended("a", 3.0, 4.0))
    assert whole is not None
    assert whole.record.scores == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert (whole.record.seconds, whole.record.peak_memory_mb) == (3.0, 7.0)
    assert slices.add(unit(0, 1), ended("c", 9.0)) == ended("c", 9.0)


def test_a_failed_slice_fails_its_part_once() -> None:
    slices = Slices()
    assert slices.add(unit(0), ended("a", 1.0)) is None
    failed = slices.add(unit(1), ended("a", error="no"))
    assert failed is not None
    assert failed.record.status == "failed"
    assert slices.add(unit(2), ended("a", 2.0)) is None
    assert slices.add(unit(0), ended("a", error="no")) is None
