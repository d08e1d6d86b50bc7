"""Ctrl-C, and SIGTERM, which means the same. Once: what runs is finished. Twice: the run stops now."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

STDERR = 2
SAID = (
    "stopping: what runs is finished first; Ctrl-C (or SIGTERM) once more stops now",
    "stopping now: what was finished is kept",
    "stopping already: what was finished is put into the database",
)


@dataclass
class Stop:
    """How often somebody asked for it."""

    asked: int = 0


@contextlib.contextmanager
def counted() -> Iterator[Stop]:
    """Count interrupts and terminations instead of dying of them, and answer each at once.

    The answer goes past Python's standard error: a signal may come while that is being written to.
    """
    stop = Stop()

    def count(_number: int, _frame: FrameType | None) -> None:
        stop.asked += 1
        with contextlib.suppress(OSError):
            os.write(STDERR, f"{SAID[min(stop.asked, len(SAID)) - 1]}\n".encode())

    old = {number: signal.signal(number, count) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def as_before() -> Iterator[None]:
    """While the block starts Ray or ends it: Ray has a handler of its own for SIGTERM, which exits without a word, and
    leaves it behind. Raises KeyboardInterrupt instead, and puts back the handler that was there."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as ended:
        raise KeyboardInterrupt from ended
    finally:
        signal.signal(signal.SIGTERM, handler)
