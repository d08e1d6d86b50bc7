"""A dataset's place in the data folder, for one process at a time."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from gad.harness import atomic
from gad.harness.errors import DataError


@contextlib.contextmanager
def alone(data: Path, name: str) -> Iterator[None]:
    """Hold the dataset's lock in ``data``, and sweep up what a process that died at it left behind.

    Raises DataError where ``data`` cannot be written to.
    """
    _require_writable(data)
    with atomic.folder_lock(data / f".{name}.lock"):
        left = re.compile(re.escape(f"{atomic.TEMPORARY}{name}-") + r"\d+-[0-9a-f]{8}")
        for entry in data.iterdir():
            if left.fullmatch(entry.name):
                shutil.rmtree(entry, ignore_errors=True)
        yield


def _require_writable(data: Path) -> None:
    problem = ""
    try:
        atomic.make_folder(data)
    except OSError as error:
        problem = f"cannot be used: {error.filename or data}: {error.strerror or error}"
    if not problem and not os.access(data, os.W_OK | os.X_OK):
        problem = "is read-only"
    if problem:
        raise DataError(
            f"data folder {data} {problem}", fix="Name one to prepare datasets in with --data DIR."
        )
