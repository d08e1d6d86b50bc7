"""The driver's pen: writes finished parts as segments, their maps before them, and keeps the ingester process alive."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

from gad.harness.errors import StoreError
from gad.harness.store import ingest, mapfiles, segments
from gad.harness.store.mapfiles import Maps
from gad.harness.store.records import PartRecord, TaskRecord

FLUSH_SECONDS = 1.0
FLUSH_PARTS = 1000
FLUSH_BYTES = 64_000_000  # of maps
FINISH_SECONDS = 600


class Recorder:
    """Collects records and flushes them each second or thousand parts. Use as a context manager."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.parts: list[PartRecord] = []
        self.tasks: list[TaskRecord] = []
        self.maps: dict[str, bytes] = {}  # by file name
        self.written = 0
        self.flushed = time.monotonic()
        self.ingester = self._start()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what is left and wait until it is in the published database."""
        try:
            self.flush()
        finally:
            with contextlib.suppress(
                *([StoreError] if kind else [])
            ):  # what went wrong first is what is told
                self._finish()

    def add(self, record: PartRecord | TaskRecord, kept: Maps | None = None) -> None:
        """Take a record, and the maps that are to be kept of a part."""
        if isinstance(record, PartRecord):
            if kept is not None:
                name, content = mapfiles.pack(record.part_id, kept)
                self.maps[name] = content
                record = record.model_copy(update={"maps": name})
            self.parts.append(record)
        else:
            self.tasks.append(record)

    def flush_if_due(self) -> None:
        """To be called often: flushes when it is time, and restarts an ingester that was killed."""
        many = len(self.parts) >= FLUSH_PARTS or sum(map(len, self.maps.values())) >= FLUSH_BYTES
        if many or time.monotonic() - self.flushed >= FLUSH_SECONDS:
            self.flush()
            if self.ingester.poll() is not None:
                self.ingester = self._start()

    def flush(self) -> None:
        try:
            while self.maps:
                name = next(iter(self.maps))
                mapfiles.write(self.results, name, self.maps[name])
                del self.maps[name]
            if self.parts:
                segments.write(self.results, self.parts)
                self.written += len(self.parts)
                self.parts = []
            if self.tasks:
                segments.write(self.results, self.tasks)
                self.tasks = []
        except OSError as error:
            raise StoreError(
                f"cannot write results to {self.results}: {error.strerror or error}",
                fix="Make room or mend the folder, then run the same command: finished parts are kept.",
            ) from error
        self.flushed = time.monotonic()

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C is for the driver, which closes the ingester when it is done.
        return subprocess.Popen(
            [sys.executable, "-m", "gad.harness.store.ingest", str(self.results)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def _finish(self) -> None:
        """Let the ingester finish and wait for its last pass; run one here if it was killed."""
        assert self.ingester.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.ingester.stdin.write(ingest.FINISH)
            self.ingester.stdin.close()
        try:
            code = self.ingester.wait(timeout=FINISH_SECONDS)
        except subprocess.TimeoutExpired:
            self.ingester.kill()
            code = -9
        if code != 0:
            ingest.ingest_all(self.results)
