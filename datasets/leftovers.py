"""What archives unpacked to, and no prepared dataset reads any more: a newer download took its place, or the
images went into an array file."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from pathlib import Path

from gad.datasets.archives import AREA
from gad.harness import atomic, manifest
from gad.harness.errors import DataError


def unused(data: Path) -> list[tuple[Path, int]]:
    """Folders that no dataset prepared in ``data`` reads from, with their bytes. Whoever needs one unpacks again.

    Raises DataError for a dataset whose summary cannot be read: what it reads from is not known.
    """
    area = data / AREA
    if not area.is_dir():
        return []
    roots = [manifest.load(data, name).root_path.resolve() for name in manifest.names(data)]
    places = [place for place in sorted(area.iterdir()) if place.is_dir()]
    idle = [place for place in places if not any(r.is_relative_to(place.resolve()) for r in roots)]
    return [(place, _bytes(place)) for place in idle]


def remove(data: Path) -> int:
    """Remove them and return the bytes freed. DataError while a dataset is being prepared: it may read from one."""
    with contextlib.ExitStack() as held:
        for lock in sorted(data.glob(".*.lock")):
            handle = held.enter_context(open(lock, "a"))
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                name = lock.name.removeprefix(".").removesuffix(".lock")
                raise DataError(f"{name} is being prepared in {data}", fix="Wait until it is done.") from None
        held.enter_context(atomic.folder_lock(data / AREA / ".lock"))
        found = unused(data)
        for place, _ in found:
            shutil.rmtree(place)
    return sum(size for _, size in found)


def _bytes(place: Path) -> int:
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
