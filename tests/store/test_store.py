"""Segments, the ingester and the published database, without a grid around them."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import wait_for

from gad.harness.errors import StoreError
from gad.harness.nouns import Grid, Job, ModelChoice, Part
from gad.harness.store import database, ingest, live, read, runs, schema, segments
from gad.harness.store.layout import Layout
from gad.harness.store.records import PartRecord, TaskRecord
from gad.leaderboard import significance


@pytest.fixture
def results(tmp_path: Path) -> Path:
    Layout(tmp_path / "results").make()
    return tmp_path / "results"


def part(
    name: str, *, status: str = "done", ended: float = 1.0, scores: tuple[float, ...] = (0.1, 0.9)
) -> PartRecord:
    done = status == "done"
    return PartRecord.model_validate(
        {
            "part_id": name,
            "status": status,
            "run_id": "r",
            "dataset": "d",
            "category": "c",
            "model": "m",
            "options": "{}",
            "shots": 2,
            "seed": 0,
            "method_key": "k",
            "prompts": ("p1", "p2"),
            "sample_ids": ("a", "b") if done else (),
            "labels": (0, 1) if done else (),
            "defects": ("", "hole") if done else (),
            "scores": scores if done else (),
            "error": "" if done else "boom",
            "ended": ended,
        }
    )


def add_run(results: Path, names: list[str], *, seeds: int = 1) -> str:
    """A run with one job for each seed; each job has one category for each part name."""
    jobs = tuple(
        Job(
            job_id=f"job{seed}",
            model=ModelChoice(name="m", options={}),
            dataset="d",
            protocol="industrial",
            shots=2,
            seed=seed,
            method_key="k",
            column_key="col",
            parts=tuple(Part(part_id=f"{n}{seed}", category=n, text=n, prompts=("p1", "p2")) for n in names),
        )
        for seed in range(seeds)
    )
    grid = Grid(name="g", models=(jobs[0].model,), datasets=("d",), shots=(2,), seeds=tuple(range(seeds)))
    return runs.write(
        results,
        grid=grid,
        jobs=jobs,
        method_fields={"k": {}},
        column_fields={"col": {}},
        environment={"python": "3"},
        command="harness submit",
        version="1",
    )


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
    name = read.part_states(results)["a"][1]
    (results / "segments" / name).unlink()
    ingest.ingest_all(results)
    assert read.part_states(results)["a"][0] == "done"


def test_success_replaces_failure_and_never_the_other_way(results: Path) -> None:
    segments.write(results, [part("a", status="failed")])
    ingest.ingest_all(results)
    assert read.part_states(results)["a"][0] == "failed"
    segments.write(results, [part("a", ended=2)])
    ingest.ingest_all(results)
    segments.write(results, [part("a", status="failed", ended=3)])
    ingest.ingest_all(results)
    assert read.part_states(results)["a"][0] == "done"
    assert read.failures(results) == []


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
def test_damaged_segments_are_left_out_and_set_aside(results: Path, damage: str) -> None:
    path = segments.write(results, [part("a")])
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes({"flip": bytes(content), "truncate": bytes(content[:-5]), "empty": b""}[damage])
    segments.write(results, [part("b")])
    done = ingest.ingest_all(results)
    assert done.damaged == [path]
    assert set(read.part_states(results)) == {"b"}
    assert segments.set_damaged_aside(results) == [results / "damaged" / path.name]
    assert not path.exists()


def test_a_damaged_run_file_is_left_out(results: Path) -> None:
    run = add_run(results, ["a"])
    path = results / "runs" / f"{run}.json"
    path.write_text(path.read_text().replace("job0", "job9"))
    assert ingest.ingest_all(results).damaged == [path]
    assert read.results(results, "job") == []


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


def test_rebuilding_gives_the_same_tables(results: Path) -> None:
    add_run(results, ["a", "b"])
    segments.write(results, [part("a0")])
    segments.write(results, [part("b0", status="failed")])
    ingest.ingest_all(results)

    def content() -> str:
        with read.connect(results) as connection:
            names = [
                n
                for (n,) in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
            ]
            skipped = {"migrations", "meta"}
            return json.dumps(
                {
                    n: sorted(map(repr, connection.execute(f"FROM {n}").fetchall()))
                    for n in names
                    if n not in skipped
                }
            )

    before = content()
    ingest.rebuild(results)
    assert content() == before


def test_an_unchanged_folder_is_not_published_again(results: Path) -> None:
    segments.write(results, [part("a")])
    assert ingest.ingest_all(results).published
    inode = Layout(results).published.stat().st_ino
    assert not ingest.ingest(results).published
    assert Layout(results).published.stat().st_ino == inode


def test_a_newer_database_is_refused() -> None:
    with duckdb.connect() as connection:
        schema.migrate(connection)
        connection.execute("INSERT INTO migrations VALUES ('9999_future', now()::TIMESTAMP)")
        with pytest.raises(StoreError, match="newer version"):
            schema.migrate(connection)


def test_migrating_twice_changes_nothing() -> None:
    with duckdb.connect() as connection:
        schema.migrate(connection)
        before = connection.execute("SELECT name, applied FROM migrations ORDER BY name").fetchall()
        schema.migrate(connection)
        assert connection.execute("SELECT name, applied FROM migrations ORDER BY name").fetchall() == before


def test_a_database_of_an_older_version_is_brought_up_to_date(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments.write(results, [part("a")])
    Layout(results).private.parent.mkdir(exist_ok=True)
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
        for place in (Layout(results).private, Layout(results).published):
            with duckdb.connect(str(place)) as connection:
                schema.migrate(connection)
    with pytest.raises(StoreError, match="older version"):
        read.part_states(results)
    assert not read.is_current(results)
    ingest.ingest_all(results)
    assert read.part_states(results)["a"][0] == "done"
    assert (read.maps_kept(results), read.pixels_measured(results)) == ({}, set())


@pytest.mark.parametrize("word", [b"", ingest.FINISH])
def test_the_ingester_process_works_until_its_input_closes(results: Path, word: bytes) -> None:
    """Without a word from the run, it died, and only the ingester is left to say so."""
    command = [sys.executable, "-m", "gad.harness.store.ingest", str(results)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        segments.write(results, [part("a")])
        wait_for(lambda: "a" in read.part_states(results), 20, "the first part")
        segments.write(results, [part("b")])
        _, said = process.communicate(word, timeout=20)
        assert process.returncode == 0
        assert (ingest.DIED.encode() in said) == (not word)
    assert set(read.part_states(results)) == {"a", "b"}


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


def test_jobs_of_a_deleted_run_file_go(results: Path) -> None:
    run = add_run(results, ["a"])
    ingest.ingest_all(results)
    assert len(read.results(results, "job")) == 1
    (results / "runs" / f"{run}.json").unlink()
    ingest.ingest_all(results)
    assert read.results(results, "job") == []


def test_a_database_made_again_is_published_though_it_took_as_many_steps(results: Path) -> None:
    """The private database is lost after one pass, a new one has made one pass: the content is another."""
    segments.write(results, [part("a")])
    ingest.ingest(results)
    for path in Layout(results).private.parent.glob("store.duckdb*"):
        path.unlink()
    segments.write(results, [part("b")])
    ingest.ingest(results)
    assert set(read.part_states(results)) == {"a", "b"}


def flip(path: Path, *places: int) -> None:
    content = bytearray(path.read_bytes())
    for place in places:
        content[place] ^= 255
    path.write_bytes(bytes(content))


def filled(results: Path) -> None:
    """Enough scores for several blocks of a database."""
    many = tuple(float(n) for n in np.random.default_rng(0).random(12_000))
    fields = {
        "sample_ids": tuple(f"{n:x}-{value}" for n, value in enumerate(many)),
        "labels": (0, 1) * 6_000,
        "defects": ("",) * 12_000,
        "scores": many,
    }
    segments.write(results, [part("a").model_copy(update=fields)])
    ingest.ingest_all(results)


@pytest.mark.parametrize("place", [0.02, 0.5, 0.9])
def test_a_flipped_byte_of_the_published_database_is_noticed(results: Path, place: float) -> None:
    """Or it lies where nothing is stored: then what is read is right."""
    filled(results)
    path = Layout(results).published
    before = scores_in(results)
    assert read.is_whole(results)
    flip(path, int(path.stat().st_size * place))
    assert not read.is_whole(results) or scores_in(results) == before
    ingest.rebuild(results)
    assert read.is_whole(results)
    assert scores_in(results) == before


def test_a_damaged_block_of_the_private_database_is_no_obstacle(results: Path) -> None:
    filled(results)
    path = Layout(results).private
    flip(path, *range(20_000, path.stat().st_size, 4096))
    segments.write(results, [part("b")])
    ingest.ingest_all(results)
    assert set(read.part_states(results)) == {"a", "b"}
    assert read.is_whole(results)


def scores_in(results: Path) -> list[tuple[object, ...]]:
    with read.connect(results) as connection:
        return connection.execute("SELECT part_id, sample_id, score FROM scores ORDER BY ALL").fetchall()


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


def test_a_full_disk_is_a_store_error_and_the_next_pass_goes_on(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments.write(results, [part("a")])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ingest.atomic, "copy_file", full)
        with pytest.raises(StoreError, match="No space left on device"):
            ingest.ingest(results)
    ingest.ingest(results)
    assert set(read.part_states(results)) == {"a"}
