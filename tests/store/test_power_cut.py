"""Power cuts at every moment: what was finished is there, what was not is made again, nothing is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import numpy as np
import pytest
from power import after_every_cut, watched

from gad.harness import atomic
from gad.harness.features.shards import Stream
from gad.harness.features.store import FeatureStore, MissingFeatures
from gad.harness.nouns import Grid
from gad.harness.store import ingest, read, recorded, runs, segments
from gad.harness.store.layout import Layout
from gad.harness.store.records import PartRecord

STREAM = Stream(encoder="ab", name="class")
SHARDS = {f"{n}{n}": np.full((1, 4), n, np.float32) for n in range(2)}
TABLES = ("parts", "scores", "prompts", "metrics", "segments")


def records() -> list[PartRecord]:
    fields = {
        "status": "done",
        "run_id": "r",
        "dataset": "d",
        "category": "c",
        "model": "m",
        "options": "{}",
        "shots": 2,
        "seed": 0,
        "method_key": "k",
        "prompts": ("p",),
        "sample_ids": ("a", "b"),
        "labels": (0, 1),
        "defects": ("", "hole"),
        "scores": (0.25, 0.75),
    }
    return [PartRecord.model_validate({**fields, "part_id": name}) for name in "ab"]


def write_run(results: Path) -> None:
    grid = Grid(name="g", models=(), datasets=("d",), shots=(2,))
    runs.write(
        results,
        grid=grid,
        jobs=(),
        method_fields={},
        column_fields={},
        environment={},
        command="",
        version="0",
    )


def content(results: Path) -> dict[str, list[str]]:
    with read.connect(results) as connection:
        return {t: sorted(map(repr, connection.execute(f"FROM {t}").fetchall())) for t in TABLES}


def test_results_survive_a_power_cut_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record whose writing had returned is there; the rest written again gives the same database."""
    home = tmp_path / "home"
    home.mkdir()
    results, parts = home / "work" / "results", records()
    with watched(home, monkeypatch) as disk:
        write_run(results)
        for part in parts:
            segments.write(results, [part])
            disk.finished += 1
            ingest.ingest(results)
    whole = content(results)

    def check(left: Path, finished: int) -> None:
        folder = left / "work" / "results"
        Layout(folder).make()
        shown = _shown(folder)
        segments.set_damaged_aside(folder)
        ingest.ingest(folder)
        kept = set(recorded.part_states(folder))
        assert {part.part_id for part in parts[:finished]} <= kept
        assert shown <= kept, "the published database showed a part that no file holds"
        for part in parts:
            segments.write(folder, [part])
        ingest.ingest(folder)
        assert content(folder) == whole

    assert after_every_cut(disk, tmp_path / "cuts", check) > 15


def _shown(results: Path) -> set[str]:
    """Parts in the published database as the cut left it; nothing where it is not one."""
    path = Layout(results).published
    if not path.is_file() or not path.stat().st_size:
        return set()
    with duckdb.connect(str(path), read_only=True) as connection:
        return {name for (name,) in connection.execute("SELECT part_id FROM parts").fetchall()}


def test_features_survive_a_power_cut_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with watched(home, monkeypatch) as disk:
        store = FeatureStore(home / "cache" / "features")
        for digest, rows in SHARDS.items():
            store.write(STREAM, [digest], rows)
            disk.finished += 1

    def check(left: Path, finished: int) -> None:
        store = FeatureStore(left / "cache" / "features")
        for digest in list(SHARDS)[:finished]:
            assert np.array_equal(store.read(STREAM, [digest]), SHARDS[digest])
        for digest, rows in SHARDS.items():
            try:
                assert np.array_equal(store.read(STREAM, [digest]), rows)
            except MissingFeatures:
                store.write(STREAM, [digest], rows)
            assert np.array_equal(store.read(STREAM, [digest]), rows)

    assert after_every_cut(disk, tmp_path / "cuts", check) > 8


@pytest.mark.parametrize("forgotten", ["file", "folder"])
def test_the_disk_that_forgets_finds_a_missing_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: str
) -> None:
    """A test of the test: without either fsync of an atomic write, a cut loses what had been finished."""
    target, lost = tmp_path / "home" / "file", []
    target.parent.mkdir()

    def careless(source: Path, target: Path) -> None:
        os.replace(source, target)
        if forgotten != "folder":
            atomic.fsync_file(target.parent)

    with watched(target.parent, monkeypatch) as disk:
        monkeypatch.setattr(atomic, "rename_durably", careless)
        if forgotten == "file":
            (target.parent / "new").write_bytes(b"content")
            careless(target.parent / "new", target)
        else:
            atomic.write_bytes(target, b"content")
        disk.finished += 1
        disk.cut()
    for cut in disk.cuts:
        if cut.finished:
            lost.append(cut.strict.get("file") != b"content")
    assert lost == [True]
