"""What the page shows of a results folder: frames read through the store, and a run's live progress."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from gad.harness.errors import StoreError
from gad.harness.store import live, read
from gad.harness.store.layout import Layout

Stamp = tuple[int, int, int]

# DuckDB shares one open database among a process's connections to the same path. Two sessions reading
# at once could so be given the file that a rename has just replaced, hence one reader at a time.
ONE_READER = threading.Lock()
_ATTEMPTS = 5


COSTS = [
    "method_key",
    "dataset",
    "shots",
    "images",
    "warm_seconds",
    "cold_seconds",
    "parameters",
    "peak_memory_mb",
]


@dataclass(frozen=True)
class Snapshot:
    """The published results at one moment: a line for each cell, for each job, and for each method's cost."""

    datasets: pd.DataFrame
    jobs: pd.DataFrame
    costs: pd.DataFrame

    @property
    def empty(self) -> bool:
        return self.jobs.empty


@dataclass(frozen=True)
class Progress:
    """Runs going on now, and how many of their parts have ended, well or not."""

    runs: int = 0
    ended: int = 0
    total: int = 0
    jobs: frozenset[str] = frozenset()


def load(results: Path) -> Snapshot:
    """Results as published last; read again only when the file was replaced.

    Raises StoreError when the database is damaged, or missing although there are files to make it from
    and no run is about to publish it.
    """
    with ONE_READER:
        for _ in range(_ATTEMPTS):
            before = stamp(results)
            if before is None and progress(results).runs:
                return _frames([], [], [])
            found = _read(results, before) if before else _frames(read.results(results), [], [])
            if stamp(results) == before:
                return found
            _read.cache_clear()  # it was replaced while we read: what we hold may mix two of them
            time.sleep(0.05)
    return found


def stamp(results: Path) -> Stamp | None:
    """What tells one published file from the next, or None when there is none."""
    try:
        status = Layout(results).published.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"{results} cannot be read: {error.strerror}") from error
    return status.st_ino, status.st_mtime_ns, status.st_size


def version(results: Path) -> tuple[object, ...]:
    """Cheap to ask; while it stays the same, so does what :func:`load` finds or raises."""
    try:
        published = stamp(results)
    except StoreError as error:
        return (str(error),)
    return (published,) if published else (None, read.has_files(results), progress(results).runs > 0)


@lru_cache(maxsize=4)
def _read(results: Path, _: Stamp) -> Snapshot:
    found = (read.results(results, by="dataset"), read.results(results, by="job"), read.costs(results))
    return _frames(*found)


def _frames(
    datasets: list[dict[str, Any]], jobs: list[dict[str, Any]], costs: list[dict[str, Any]]
) -> Snapshot:
    cells, found = _frame(datasets, "dataset"), _frame(jobs, "job")
    # "running" depends on the moment, not on the file: Progress tells it.
    found["status"] = found["status"].replace("running", "planned")
    spent = pd.DataFrame(costs, columns=COSTS)
    return Snapshot(cells, found, spent)


def _frame(rows: list[dict[str, Any]], by: read.By) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=[*read.COLUMNS[by].split(", "), *read.MARKS])
    # Plain objects: pages walk over lines one by one, at which Arrow's strings are many times slower.
    frame = frame.astype(
        {name: object for name in frame.columns if pd.api.types.is_string_dtype(frame[name])}
    )
    numbers = [name for name in frame.columns if name.endswith(("_mean", "_std"))]
    return frame.astype(dict.fromkeys(numbers, "float64"))  # a column of None alone would be of objects


def progress(results: Path) -> Progress:
    """Progress of the runs that are alive, summed."""
    alive = [fields for fields in live.read_all(results) if fields["alive"]]
    scored = [fields.get("score", {}) for fields in alive]
    return Progress(
        runs=len(alive),
        ended=sum(int(score.get("done", 0)) + int(score.get("failed", 0)) for score in scored),
        total=sum(int(score.get("total", 0)) for score in scored),
        jobs=frozenset(job for fields in alive for job in fields.get("running_jobs", [])),
    )
