"""What is read from the database: states, means over seeds, costs, and nothing where there is nothing."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest
from stored import add_run, part

from gad.harness.errors import StoreError
from gad.harness.store import database, ingest, live, read, schema, segments
from gad.harness.store.layout import Layout
from gad.harness.store.records import TaskRecord
from gad.leaderboard import significance


def test_status_words(results: Path) -> None:
    add_run(results, ["a", "b"], seeds=3)
    segments.write(results, [part("a0"), part("b0"), part("a1"), part("b1", status="failed")])
    ingest.ingest_all(results)
    rows = {row["seed"]: row for row in read.results(results, "job")}
    assert [rows[seed]["status"] for seed in range(3)] == ["done", "failed", "planned"]
    assert rows[0]["auroc"] == 1.0
    assert rows[1]["auroc"] is None
    assert rows[1]["error"] == "b: boom"
    (cell,) = read.results(results, "dataset")
    assert (cell["n_seeds"], cell["n_planned"], cell["n_failed"], cell["complete"]) == (1, 3, 1, False)
    assert cell["auroc_std"] is None


def trained(results: Path, aurocs: dict[tuple[int, int], float]) -> None:
    """A job that is done for each (seed, training seed), with a part of this AUROC; only what views read."""
    with duckdb.connect(str(Layout(results).private)) as connection:
        schema.migrate(connection)
        for (seed, training), auroc in aurocs.items():
            name = f"{seed}-{training}"
            connection.execute(
                "INSERT INTO jobs BY NAME SELECT ? AS job_id, 'm' AS model, '{}' AS options, 'visa' AS dataset, "
                "'industrial' AS protocol, 2 AS shots, ? AS seed, ? AS training_seed, 'k' AS method_key, "
                "'col' AS column_key, '{}' AS method_fields, '' AS invalid, 'r' AS first_run, 'r' AS last_run",
                [name, seed, training],
            )
            connection.execute("INSERT INTO job_parts VALUES (?, 'c', ?)", [name, name])
            connection.execute("INSERT INTO parts BY NAME SELECT ? AS part_id, 'done' AS status", [name])
            connection.execute("INSERT INTO metrics VALUES (?, 'auroc', ?)", [name, auroc])
        database.make_aggregates(connection)
    Layout(results).private.rename(Layout(results).published)


def test_trainings_on_the_same_prompts_are_averaged_and_not_counted_as_seeds(results: Path) -> None:
    """By hand: seeds 0, 1, 2 with (0.59, 0.61), (0.69, 0.71), (0.79, 0.81) have means 0.6, 0.7, 0.8.

    So 0.7 ± 0.1 over three. Against a published 0.8 ± 0.02 over three that is within 2 sqrt(0.1² / 3 + 0.02² / 3)
    = 0.1178; six values of std 0.0901 would say 2 sqrt(0.0901² / 6 + 0.02² / 3) = 0.0771, and call it beyond.
    """
    trained(results, {(s, t): 0.58 + 0.1 * s + 0.01 + 0.02 * (t - 8) for s in range(3) for t in (8, 9)})
    (cell,) = read.results(results)
    assert (cell["n_seeds"], cell["n_planned"], cell["n_failed"], cell["complete"]) == (3, 3, 0, True)
    assert (cell["auroc_mean"], cell["auroc_std"]) == (pytest.approx(0.7), pytest.approx(0.1))
    six = [0.59, 0.61, 0.69, 0.71, 0.79, 0.81]
    assert significance.beyond_chance(-0.1, cell["auroc_std"], cell["n_seeds"], 0.02, 3) is False
    assert significance.beyond_chance(-0.1, float(np.std(six, ddof=1)), 6, 0.02, 3) is True


def test_a_category_without_anomalies_gives_no_job_metric(results: Path) -> None:
    """A mean over the categories that happen to have a value would pass for the whole."""
    add_run(results, ["a", "b"])
    lonely = part("b0").model_copy(update={"labels": (0, 0)})
    segments.write(results, [part("a0"), lonely])
    ingest.ingest_all(results)
    (job,) = read.results(results, "job")
    assert (job["status"], job["auroc"]) == ("done", None)


def test_a_smaller_later_grid_does_not_leave_its_cells_incomplete(results: Path) -> None:
    add_run(results, ["a"], seeds=3)
    segments.write(results, [part("a0"), part("a1")])
    ingest.ingest_all(results)
    assert not read.results(results)[0]["complete"]
    add_run(results, ["a"], seeds=2)
    ingest.ingest_all(results)
    (cell,) = read.results(results)
    assert (cell["complete"], cell["n_seeds"]) == (True, 2)


def test_tasks_are_recorded(results: Path) -> None:
    task = TaskRecord(
        task_id="t",
        run_id="r",
        stage="score",
        dataset="d",
        category="c",
        node="n",
        node_ip="1",
        pid=2,
        driver_pid=1,
        started=1,
        ended=2,
    )
    segments.write(results, [task])
    ingest.ingest_all(results)
    with read.connect(results) as connection:
        assert read.query(connection, "SELECT node, pid FROM tasks") == [{"node": "n", "pid": 2}]


def test_costs_are_by_the_images_of_a_part(results: Path) -> None:
    """Two test images in 4 + 2 seconds are 3 seconds an image, however many were encoded (100, in 3 seconds)."""
    encoded = TaskRecord(
        task_id="t",
        run_id="r",
        stage="encode",
        dataset="d",
        category="",
        node="n",
        node_ip="1",
        pid=2,
        driver_pid=1,
        started=1,
        ended=4,
        images=100,
        source="seen",
        decode_seconds=1.0,
        pass_seconds=2.0,
    )
    costs = {"seconds": 4.0, "input_seconds": 2.0}
    elsewhere = part("b").model_copy(update={**costs, "dataset": "e"})
    segments.write(results, [part("a").model_copy(update={**costs, "source": "seen"}), elsewhere])
    segments.write(results, [encoded])
    ingest.ingest_all(results)
    assert read.costs(results) == []  # a method is known from the runs that had it
    add_run(results, ["a"])
    ingest.ingest_all(results)
    with_tasks, without = read.costs(results)
    assert (with_tasks["images"], with_tasks["warm_seconds"]) == (2, 3.0)
    assert with_tasks["cold_seconds"] == pytest.approx(3.03)
    assert (without["warm_seconds"], without["cold_seconds"]) == (3.0, None)


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    assert read.results(tmp_path) == []
    with pytest.raises(StoreError, match="harness submit"), read.connect(tmp_path):
        pass


def test_a_run_that_has_only_just_begun_is_no_error(results: Path) -> None:
    """Its file is there, the database not yet: readers see nothing, and are not told to rebuild."""
    run = add_run(results, ["a"])
    with pytest.raises(StoreError, match="db rebuild"):
        read.results(results)
    live.write(results, run, {})
    assert read.results(results) == []


@pytest.mark.parametrize("content", ["[1]", "null", '"text"', "{", '{"beat": "soon"}'])
def test_progress_that_is_none_is_skipped(results: Path, content: str) -> None:
    live.write(results, "run", {})
    (Layout(results).live / "other.json").write_text(content)
    assert [fields["run_id"] for fields in live.read_all(results)] == ["run"]
