"""Anomaly maps that are kept: which, how, and what happens when a grid wants them later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import Bench

from gad.harness.errors import ModelError, StoreError
from gad.harness.executor.ended import Ended, joined, keep, worst
from gad.harness.executor.recorder import Recorder
from gad.harness.store import ingest, mapfiles, segments
from gad.harness.store.layout import Layout
from gad.harness.store.mapfiles import Maps
from gad.harness.store.recorded import maps_kept
from gad.harness.store.records import PartRecord

pytestmark = pytest.mark.timeout(600)

GRID = """
models: [{name: hostile, options: {how: mapped}}, pixel-knn]
datasets: [digits-multi-class]
shots: [2]
seeds: [0]
"""


def record(scores: tuple[float, ...], labels: tuple[int, ...], **fields: object) -> PartRecord:
    return PartRecord.model_validate(
        {
            "part_id": "p",
            "status": "done",
            "run_id": "r",
            "dataset": "d",
            "category": "c",
            "model": "m",
            "options": "{}",
            "shots": 1,
            "seed": 0,
            "method_key": "k",
            "prompts": (),
            "sample_ids": tuple(f"s{n}" for n in range(len(scores))),
            "labels": labels,
            "defects": ("",) * len(scores),
            "scores": scores,
            **fields,
        }
    )


def test_the_worst_are_high_normals_and_low_anomalies() -> None:
    scores, labels = (0.1, 0.9, 0.9, 0.5, 0.2, 0.2, 0.8), (0, 0, 0, 0, 1, 1, 1)
    assert worst(scores, labels, 1) == [1, 4]
    assert worst(scores, labels, 2) == [1, 2, 4, 5]
    assert worst(scores, labels, 3) == [1, 2, 3, 4, 5, 6]
    assert worst(scores, labels, 100) == list(range(7))
    assert worst(scores, labels, 0) == []


def test_the_worst_of_slices_are_the_worst_of_the_part() -> None:
    draw = np.random.default_rng(0)
    for _ in range(20):
        scores = tuple(draw.integers(0, 4, 30).astype(float).tolist())  # many ties
        labels = tuple(draw.integers(0, 2, 30).tolist())
        maps = draw.random((30, 2, 3)).astype(np.float32)
        part = record(scores, labels, maps_most=3)
        slices = []
        for first, last in ((0, 7), (7, 8), (8, 30)):
            own = {
                name: getattr(part, name)[first:last]
                for name in ("sample_ids", "labels", "defects", "scores")
            }
            one = part.model_copy(update=own)
            slices.append(Ended(one, keep(one, maps[first:last])))
        whole, straight = joined(slices), keep(part, maps)
        assert whole.record.scores == scores
        assert whole.kept is not None
        assert straight is not None
        assert whole.kept.ids == straight.ids
        assert (whole.kept.maps == straight.maps).all()


def test_slices_with_other_maps_fail_their_part() -> None:
    one = record((1.0,), (0,), maps_most=1)
    whole = joined([Ended(one, keep(one, np.zeros((1, side, side), np.float32))) for side in (2, 3)])
    assert (whole.record.status, whole.record.scores, whole.kept) == ("failed", (), None)


def test_what_fp16_cannot_hold_is_refused() -> None:
    part = record((1.0,), (0,), maps_most=1)
    assert keep(part, np.full((1, 1, 1), 65504, np.float32)) is not None
    with pytest.raises(ModelError, match="fp16"):
        keep(part, np.full((1, 1, 1), 70000, np.float32))


def test_maps_come_back_and_damage_is_noticed(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).random((2, 3, 4)).astype(np.float16)
    name, content = mapfiles.pack("p", Maps(ids=("a/\u00e9.png", "b"), maps=maps))
    assert mapfiles.pack("p", Maps(ids=("a/\u00e9.png", "b"), maps=maps)) == (name, content)
    assert mapfiles.pack("q", Maps(ids=("a/\u00e9.png", "b"), maps=maps))[0] != name
    mapfiles.write(tmp_path, name, content)
    found = mapfiles.read(tmp_path, name)
    assert found.ids == ("a/\u00e9.png", "b")
    assert found.maps.dtype == np.float16
    assert (found.maps == maps).all()
    assert mapfiles.set_damaged_aside(tmp_path) == []
    path = mapfiles.place(tmp_path, name)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StoreError, match="checksum"):
        mapfiles.read(tmp_path, name)
    assert mapfiles.set_damaged_aside(tmp_path) == [tmp_path / "damaged" / path.name]
    with pytest.raises(StoreError, match="cannot be read"):
        mapfiles.read(tmp_path, name)


def test_a_part_is_recorded_after_its_maps(tmp_path: Path) -> None:
    """While its maps cannot be written it is not on record, and it is not lost."""
    Layout(tmp_path).make()
    Layout(tmp_path).maps.write_text("in the way")
    with Recorder(tmp_path) as recorder:
        recorder.add(record((1.0,), (0,), maps_most=1), Maps(("s0",), np.zeros((1, 1, 1), np.float16)))
        with pytest.raises(StoreError, match="cannot write results"):
            recorder.flush()
        assert segments.listing(tmp_path) == []
        Layout(tmp_path).maps.unlink()
    assert maps_kept(tmp_path).keys() == {"p"}


def test_the_fullest_maps_count_and_scores_stay_the_first(tmp_path: Path) -> None:
    Layout(tmp_path).make()
    for ended, most, score in ((3.0, 2, 0.3), (1.0, 0, 0.1), (4.0, 5, 0.4), (2.0, 5, 0.2), (5.0, 1, 0.5)):
        one = record((score,), (0,), ended=ended, maps_most=most, maps="")
        segments.write(tmp_path, [one])
        ingest.ingest_all(tmp_path)

    def content() -> list[object]:
        from gad.harness.store import read

        with read.connect(tmp_path) as connection:
            found = connection.execute("SELECT most, ended FROM part_maps").fetchall()
            return [found, connection.execute("SELECT score FROM scores").fetchall()]

    assert content() == [[(5, 2.0)], [(0.1,)]]
    mapfiles.write(tmp_path, "0" * 32, b"not what its name says")
    assert len(ingest.rebuild(tmp_path).damaged) == 1
    assert content() == [[(5, 2.0)], [(0.1,)]]


def test_maps_that_are_wanted_later(bench: Bench, submit: Callable[..., str]) -> None:
    """The parts are scored again for them; nothing else changes, and nothing is done twice."""
    submit(GRID)
    before, table = bench.scores(), bench.table()
    assert maps_kept(bench.results) == {}
    wanted = GRID + "maps: {worst: 2}\n"
    planned = bench.json("plan", "--grid", bench.grid(wanted))
    assert (planned["new"], planned["done"]) == (2, 0)
    assert "not the maps" in planned["reasons"][0]["reason"]
    submit(wanted)
    assert (bench.scores(), bench.table()) == (before, table)
    found = maps_kept(bench.results)
    ((with_maps, name),) = [(part, file) for part, (_, file) in found.items() if file]
    kept = mapfiles.read(bench.results, name)
    ((model,),) = bench.query(f"SELECT model FROM parts WHERE part_id = '{with_maps}'")
    assert (model, kept.maps.shape, len(found)) == ("hostile", (4, 8, 8), 2)
    high = bench.query(
        f"SELECT sample_id FROM scores WHERE part_id = '{with_maps}' AND label = 0 ORDER BY score DESC LIMIT 2"
    )
    assert {sample for (sample,) in high} < set(kept.ids)
    assert "nothing to do" in submit(GRID + "maps: {worst: 1}\n")
    assert "nothing to do" in submit(wanted)
    mapfiles.place(bench.results, name).unlink()
    assert bench.json("plan", "--grid", bench.grid(wanted))["new"] == 1
    assert "1 parts to score" in submit(wanted)
    assert mapfiles.read(bench.results, name).ids == kept.ids
