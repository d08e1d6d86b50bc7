"""One line of the benchmarks' table, and how seconds are taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    """``seconds`` of what this package does, and ``naive`` seconds of what it is held against."""

    what: str
    seconds: float
    against: str
    naive: float


def best(work: Callable[[], object], repetitions: int = 3) -> float:
    """The shortest of a few runs, in seconds: what disturbs a run only makes it longer."""
    times = []
    for _ in range(repetitions):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
