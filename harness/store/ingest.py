"""The ingester: files -> private database -> published database.

It is the only one to open the private database, one batch at a time under a lock, so several runs on
one results folder take turns. What it publishes is a copy put in place by a rename: readers see the old
database or the new one, whole. Killing it loses nothing; the next batch picks up what is on disk.

    python -m gad.harness.store.ingest RESULTS      ingests every second until it is told to finish

It is told so by a word on its standard input. One that closes without it was held by a run that died: then this
is the only one left to say so.
"""

from __future__ import annotations

import os
import select
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gad.harness import atomic
from gad.harness.errors import StoreError
from gad.harness.store import database, filling, mapfiles, segments
from gad.harness.store.layout import Layout

if TYPE_CHECKING:
    import duckdb

BATCH_PARTS = 1000
INTERVAL_S = 1.0
FINISH = b"finish"
DIED = (
    "the run died: its process was killed, or the Ray node that it was connected to is gone. "
    "What was finished is kept; the same command goes on."
)


@dataclass
class Ingested:
    """What one pass did."""

    records: int = 0
    runs: int = 0
    dropped: int = 0
    published: bool = False
    damaged: list[Path] = field(default_factory=list)


def ingest(results: Path) -> Ingested:
    """Bring the database up to date with the files and publish it if anything changed.

    Raises StoreError when that cannot be done (a full disk): the files are safe, and it may be tried again.
    """
    import duckdb

    layout = Layout(results)
    try:
        with atomic.folder_lock(layout.lock):
            try:
                return _pass(layout)
            except duckdb.Error:  # damaged where opening it does not look: the files hold everything
                database.discard_private(layout)
                return _pass(layout)
    except (OSError, duckdb.Error) as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise StoreError(
            f"the database in {results} cannot be brought up to date: {reason}",
            fix="Finished parts are safe in their files. Make room or mend the folder, then run "
            "`harness db rebuild` or the same command.",
        ) from error


def _pass(layout: Layout) -> Ingested:
    done = Ingested()
    connection = database.open_private(layout)
    try:
        connection.execute("BEGIN")
        _take_in(connection, layout, done)
        if done.records or done.runs or done.dropped:
            database.make_aggregates(connection)
            database.new_generation(connection)
        connection.execute("COMMIT")
        current = database.generation(connection)
        connection.execute("CHECKPOINT")
    finally:
        connection.close()
    if _published_generation(layout) != current:
        atomic.copy_file(layout.private, layout.published)
        done.published = True
    return done


def _take_in(connection: duckdb.DuckDBPyConnection, layout: Layout, done: Ingested) -> None:
    done.runs, damaged_runs = filling.add_new_runs(connection, layout)
    done.damaged += damaged_runs
    on_disk = {path.name: path for path in segments.listing(layout.root)}
    known = filling.known_segments(connection)
    for name in sorted(known - on_disk.keys()):
        filling.drop_segment(connection, name)
        done.dropped += 1
    if done.dropped:
        # A part may be held by a second segment that was skipped as a repetition: read them all again.
        _forget_all(connection, known & on_disk.keys())
        known = set()
    for name in sorted(on_disk.keys() - known):
        if not segments.is_whole(on_disk[name]):
            done.damaged.append(on_disk[name])
            continue
        done.records += filling.add_segment(connection, on_disk[name])
        if done.records >= BATCH_PARTS:
            break


def _forget_all(connection: duckdb.DuckDBPyConnection, names: set[str]) -> None:
    for name in names:
        filling.drop_segment(connection, name)


def _published_generation(layout: Layout) -> str | None:
    """Generation of the published database, or None when it is absent or unreadable."""
    import duckdb

    if not layout.published.is_file():
        return None
    try:
        with duckdb.connect(str(layout.published), read_only=True) as connection:
            return database.generation(connection)
    except duckdb.Error:
        return None


def ingest_all(results: Path) -> Ingested:
    """Ingest until nothing is left to take in."""
    total = Ingested()
    while True:
        step = ingest(results)
        total.records += step.records
        total.runs += step.runs
        total.dropped += step.dropped
        total.published |= step.published
        total.damaged = step.damaged
        if not (step.records or step.runs or step.dropped):
            return total


def rebuild(results: Path) -> Ingested:
    """Throw both databases away and make them again from the files; damaged files are set aside."""
    layout = Layout(results)
    layout.make()
    aside = [*segments.set_damaged_aside(results), *mapfiles.set_damaged_aside(results)]
    with atomic.folder_lock(layout.lock):
        # The published one stays until a new one takes its place: readers are never without.
        database.discard_private(layout)
    total = ingest_all(results)
    total.damaged = [*aside, *total.damaged]
    return total


def main(results: Path) -> None:
    """Ingest every second until standard input says or closes, then once more to the end."""
    word, said = None, ""
    while word is None:
        started = time.monotonic()
        try:
            ingest(results)
        except StoreError as error:
            if said != error.message:  # once, not every second
                print(f"ingester: {error.message}; trying again", file=sys.stderr, flush=True)
            said = error.message
        took = time.monotonic() - started
        # This import takes seconds: now that the planned jobs are on show, before results wait for it.
        import sklearn.metrics  # noqa: F401

        # Publishing copies the database: rest at least three times as long as a pass took.
        word = _heard(max(INTERVAL_S, 3 * took))
    if word != FINISH:
        print(DIED, file=sys.stderr, flush=True)
    try:
        ingest_all(results)
    except StoreError as error:
        sys.exit(f"ingester: {error.message}")


def _heard(timeout: float) -> bytes | None:
    """What came on standard input: None if nothing did, empty if it was closed."""
    ready, _, _ = select.select([sys.stdin], [], [], timeout)
    return os.read(sys.stdin.fileno(), len(FINISH)) if ready else None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
