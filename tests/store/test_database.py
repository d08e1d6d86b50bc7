"""The database: published whole, made again, migrated, damaged, and the process that fills it."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest
from stored import add_run, part
from support import wait_for

from gad.harness.errors import StoreError
from gad.harness.store import ingest, read, recorded, schema, segments
from gad.harness.store.layout import Layout


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
        recorded.part_states(results)
    assert not recorded.is_current(results)
    ingest.ingest_all(results)
    assert recorded.part_states(results)["a"][0] == "done"
    assert (recorded.maps_kept(results), recorded.pixels_measured(results)) == ({}, set())


@pytest.mark.parametrize("word", [b"", ingest.FINISH])
def test_the_ingester_process_works_until_its_input_closes(results: Path, word: bytes) -> None:
    """Without a word from the run, it died, and only the ingester is left to say so."""
    command = [sys.executable, "-m", "gad.harness.store.ingest", str(results)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        segments.write(results, [part("a")])
        wait_for(lambda: "a" in recorded.part_states(results), 20, "the first part")
        segments.write(results, [part("b")])
        _, said = process.communicate(word, timeout=20)
        assert process.returncode == 0
        assert (ingest.DIED.encode() in said) == (not word)
    assert set(recorded.part_states(results)) == {"a", "b"}


def test_a_database_made_again_is_published_though_it_took_as_many_steps(results: Path) -> None:
    """The private database is lost after one pass, a new one has made one pass: the content is another."""
    segments.write(results, [part("a")])
    ingest.ingest(results)
    for path in Layout(results).private.parent.glob("store.duckdb*"):
        path.unlink()
    segments.write(results, [part("b")])
    ingest.ingest(results)
    assert set(recorded.part_states(results)) == {"a", "b"}


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
    assert recorded.is_whole(results)
    flip(path, int(path.stat().st_size * place))
    assert not recorded.is_whole(results) or scores_in(results) == before
    ingest.rebuild(results)
    assert recorded.is_whole(results)
    assert scores_in(results) == before


def test_a_damaged_block_of_the_private_database_is_no_obstacle(results: Path) -> None:
    filled(results)
    path = Layout(results).private
    flip(path, *range(20_000, path.stat().st_size, 4096))
    segments.write(results, [part("b")])
    ingest.ingest_all(results)
    assert set(recorded.part_states(results)) == {"a", "b"}
    assert recorded.is_whole(results)


def scores_in(results: Path) -> list[tuple[object, ...]]:
    with read.connect(results) as connection:
        return connection.execute("SELECT part_id, sample_id, score FROM scores ORDER BY ALL").fetchall()


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
    assert set(recorded.part_states(results)) == {"a"}
