"""Parts and runs: what is written comes back, and which of several counts."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import add_run, part

from gad.harness.store import ingest, read, recorded, runs, segments
from gad.harness.store.layout import Layout


@settings(max_examples=10)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_scores_come_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    results = tmp_path_factory.mktemp("r")
    Layout(results).make()
    record = part("a").model_copy(
        update={
            "scores": tuple(values),
            "labels": (0,) * len(values),
            "sample_ids": tuple(map(str, range(len(values)))),
            "defects": ("",) * len(values),
        }
    )
    segments.write(results, [record])
    ingest.ingest_all(results)
    with read.connect(results) as connection:
        rows = connection.execute("SELECT sample_id, score FROM scores").fetchall()
    found = {int(sample): score for sample, score in rows}
    assert [found[i].hex() for i in range(len(values))] == [value.hex() for value in values]


def test_the_same_records_twice_are_one_segment(results: Path) -> None:
    assert segments.write(results, [part("a")]) == segments.write(results, [part("a")])
    assert len(segments.listing(results)) == 1


def test_a_part_in_two_segments_is_stored_once(results: Path) -> None:
    segments.write(results, [part("a", ended=1)])
    segments.write(results, [part("a", ended=2), part("b")])
    ingest.ingest_all(results)
    with read.connect(results) as connection:
        assert connection.execute("SELECT count(*) FROM scores").fetchall() == [(4,)]
    # The segment it was taken from goes: the other one takes its place.
    name = recorded.part_states(results)["a"][1]
    (results / "segments" / name).unlink()
    ingest.ingest_all(results)
    assert recorded.part_states(results)["a"][0] == "done"


def test_success_replaces_failure_and_never_the_other_way(results: Path) -> None:
    segments.write(results, [part("a", status="failed")])
    ingest.ingest_all(results)
    assert recorded.part_states(results)["a"][0] == "failed"
    segments.write(results, [part("a", ended=2)])
    ingest.ingest_all(results)
    segments.write(results, [part("a", status="failed", ended=3)])
    ingest.ingest_all(results)
    assert recorded.part_states(results)["a"][0] == "done"
    assert read.failures(results) == []


def test_which_record_counts_does_not_depend_on_the_order_of_ingestion(results: Path) -> None:
    """Of two results the first, of two failures the last; live and rebuilt alike."""
    records = [
        part("a", ended=3),
        part("a", ended=2).model_copy(update={"seconds": 2.0}),
        part("b", status="failed", ended=1),
        part("b", status="failed", ended=5).model_copy(update={"error": "last"}),
        part("c", status="failed", ended=9),
        part("c", ended=1),
    ]
    for record in records:
        segments.write(results, [record])
        ingest.ingest_all(results)

    def content() -> list[object]:
        with read.connect(results) as connection:
            found = connection.execute(
                "SELECT part_id, status, ended, seconds FROM parts ORDER BY 1"
            ).fetchall()
            return [found, connection.execute("SELECT count(*) FROM failures").fetchall()]

    assert content() == [[("a", "done", 2, 2.0), ("b", "failed", 5, 0), ("c", "done", 1, 0)], [(3,)]]
    before = content()
    ingest.rebuild(results)
    assert content() == before


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
def test_damaged_segments_are_left_out_and_set_aside(results: Path, damage: str) -> None:
    path = segments.write(results, [part("a")])
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes({"flip": bytes(content), "truncate": bytes(content[:-5]), "empty": b""}[damage])
    segments.write(results, [part("b")])
    done = ingest.ingest_all(results)
    assert done.damaged == [path]
    assert set(recorded.part_states(results)) == {"b"}
    assert segments.set_damaged_aside(results) == [results / "damaged" / path.name]
    assert not path.exists()


def test_segments_of_older_versions_are_read(results: Path) -> None:
    """Before 0.2 a record did not say whether its batch was halved."""
    path = segments.write(results, [part("a")])
    table = pq.read_table(path).drop_columns(["halved_batch"])
    path.unlink()
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    name = hashlib.sha256(buffer.getvalue()).hexdigest()[:32]
    path.with_name(f"parts-{name}.parquet").write_bytes(buffer.getvalue())
    ingest.ingest_all(results)
    with read.connect(results) as connection:
        assert read.query(connection, "SELECT part_id, halved_batch FROM parts") == [
            {"part_id": "a", "halved_batch": None}
        ]


def test_a_damaged_run_file_is_left_out(results: Path) -> None:
    run = add_run(results, ["a"])
    path = results / "runs" / f"{run}.json"
    path.write_text(path.read_text().replace("job0", "job9"))
    assert ingest.ingest_all(results).damaged == [path]
    assert read.results(results, "job") == []


def test_jobs_of_a_deleted_run_file_go(results: Path) -> None:
    run = add_run(results, ["a"])
    ingest.ingest_all(results)
    assert len(read.results(results, "job")) == 1
    (results / "runs" / f"{run}.json").unlink()
    ingest.ingest_all(results)
    assert read.results(results, "job") == []


def test_runs_keep_their_order_when_the_clock_is_set_back(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for now in (1_700_000_000.0, 1_800_000_000.25, 1_000_000.0, 1_800_000_000.2505, 2e9):
        monkeypatch.setattr(runs.time, "time", lambda now=now: now)
        names.append(add_run(results, ["a"]))
    assert names == sorted(names)
    assert names[1].startswith("20270115T080000250-")
    assert names[2].startswith("20270115T080000251-")
    assert names[4].startswith("20330518T033320000-")
