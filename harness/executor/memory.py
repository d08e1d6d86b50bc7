"""Folders in shared memory, through which the arrays of a unit reach its processes."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

MEMORY_PREFIX = "gad-"
SHARED = "/dev/shm"  # noqa: S108
LEAST_SHARED_BYTES = 1_000_000_000


@contextlib.contextmanager
def in_memory() -> Iterator[Path]:
    """A folder in shared memory (or, where there is none, on disk) for as long as the block lasts."""
    sweep_memory()
    prefix = f"{MEMORY_PREFIX}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=_memory(), ignore_cleanup_errors=True) as name:
        yield Path(name)


def _memory() -> str:
    """Shared memory, unless there is so little as a container has by default (64 MB)."""
    room = os.access(SHARED, os.W_OK) and shutil.disk_usage(SHARED).free >= LEAST_SHARED_BYTES
    return SHARED if room else tempfile.gettempdir()


def sweep_memory() -> None:
    """Remove what processes that were killed left in shared memory: it would stay until the next boot."""
    for folder in itertools.chain.from_iterable(
        Path(place).glob(f"{MEMORY_PREFIX}*") for place in {SHARED, tempfile.gettempdir()}
    ):
        owner = folder.name.removeprefix(MEMORY_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)
