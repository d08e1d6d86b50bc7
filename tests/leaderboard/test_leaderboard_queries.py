"""Reading a results folder for the page: cached, current, and clear about damage."""

from __future__ import annotations

import pytest

from gad.harness import explain
from gad.harness.errors import StoreError
from gad.harness.store import live, read, segments
from gad.harness.store.records import TaskRecord
from gad.leaderboard import details, queries
from gad.leaderboard.pages import runs


def test_frames_are_the_store_s_rows(folder) -> None:
    folder.record(*folder.plan("a", "d"))
    found = queries.load(folder.path)
    assert found.datasets["auroc_mean"].tolist() == [row["auroc_mean"] for row in read.results(folder.path)]
    assert found.jobs["job_id"].tolist() == [row["job_id"] for row in read.results(folder.path, by="job")]


def test_read_again_only_when_published_again(folder) -> None:
    first, *others = folder.plan("a", "d")
    folder.record(first)
    before = queries.load(folder.path)
    assert queries.load(folder.path) is before
    folder.record(*others)
    assert queries.load(folder.path).datasets["n_seeds"].tolist() == [3]


def test_an_empty_or_missing_folder_is_empty(folder, tmp_path) -> None:
    assert queries.load(folder.path).empty
    assert queries.load(tmp_path / "missing").empty


def test_files_without_a_database_are_an_error_unless_a_run_is_about_to_publish(folder) -> None:
    folder.plan("a", "d")
    with pytest.raises(StoreError, match="no results database"):
        queries.load(folder.path)
    live.write(folder.path, "run", {"score": {"done": 0, "failed": 0, "total": 6}})
    assert queries.load(folder.path).empty


@pytest.mark.parametrize("keep", [0, 100, 20000])
def test_a_damaged_database_is_a_store_error(folder, keep: int) -> None:
    folder.record(*folder.plan("a", "d"))
    published = folder.path / "results.duckdb"
    published.write_bytes(published.read_bytes()[:keep])
    with pytest.raises(StoreError, match="db rebuild"):
        queries.load(folder.path)


def test_damage_inside_the_database_is_a_store_error(folder) -> None:
    folder.record(*folder.plan("a", "d"))
    published = folder.path / "results.duckdb"
    content = bytearray(published.read_bytes())
    second_block = 12288 + 262144  # after the headers and the block that is read on opening
    content[second_block:] = bytes(len(content) - second_block)
    published.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be read"):
        queries.load(folder.path)


def test_progress_sums_the_living_runs(folder) -> None:
    assert queries.progress(folder.path).runs == 0
    live.write(folder.path, "one", {"score": {"done": 1, "total": 6}, "running_jobs": ["a"]})
    live.write(folder.path, "two", {"score": {"done": 1, "failed": 1, "total": 4}, "running_jobs": ["b"]})
    live.write(folder.path, "over", {"score": {"done": 9, "total": 9}, "ended": 1.0})
    assert queries.progress(folder.path) == queries.Progress(2, 3, 10, frozenset("ab"))


def test_a_run_tells_what_sharing_saved(folder) -> None:
    """240 images of 10 parts wanted an encoder, 60 were encoded: (240 - 60) * (1 + 2) / 60 = 9 s were spared.

    The other 7 of the task's 10 s went into loading the encoder, which every run does.
    """
    jobs = folder.plan("a", "d", seeds=range(5), method_input={"kind": "features"})
    folder.publish()
    run_id = read.results(folder.path, "job")[0]["last_run"]
    encoded = TaskRecord(
        task_id="t",
        run_id=run_id,
        stage="encode",
        dataset="d",
        category="one",
        node="n",
        node_ip="127.0.0.1",
        pid=1,
        driver_pid=1,
        started=1.0,
        ended=11.0,
        images=60,
        decode_seconds=1.0,
        pass_seconds=2.0,
    )
    folder.run_id = run_id
    segments.write(folder.path, [encoded])
    folder.record(*jobs)
    sheet = runs.sheet(details.runs(folder.path), queries.load(folder.path).jobs)
    (row,) = sheet.rows
    told = dict(zip(sheet.columns, row, strict=True))
    assert told["saved by sharing"] == "9.0 s"
    assert (told["jobs done"], told["parts"], told["encoding"]) == ("5 of 5", 10, "10.0 s")


def test_what_changed_of_a_variant_is_told_against_itself(folder) -> None:
    """`plan --explain` of a method whose code has changed: beside it lies a later job of the same name."""
    first, second = (folder.plan("a", "d", options={"rank": rank}, seeds=(0,))[0] for rank in (4, 0))
    folder.record(first, second)
    changed = first.model_copy(update={"job_id": "another", "method_key": "another"})
    found = explain._before(changed, folder.path)
    assert found is not None
    assert found["job_id"] == first.job_id
