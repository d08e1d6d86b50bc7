"""Noticing that an adapter wrote to the files of its inputs, or removed them: the unit's other parts share them.

Arrays are mapped read-only and refuse to be written to. But a file has a name, and code that runs as the same
user can open it.
"""

from __future__ import annotations

from pathlib import Path

CHANGED = (
    "the files of its inputs, which other parts share, were written to or removed while it ran\n"
    "Copy an array before changing it, and leave files alone that the adapter did not make."
)
Seal = dict[str, tuple[int, int, int]]


def seal(folder: Path, beside: str) -> Seal:
    """The files in a folder that do not end in ``beside``, with what changes when one is written to or replaced.

    The time of change (not that of modification) cannot be set back.
    """
    try:
        found = [entry for entry in folder.iterdir() if not entry.name.endswith(beside)]
        states = {entry.name: entry.stat() for entry in found}
    except OSError:  # removed
        return {}
    return {name: (state.st_ino, state.st_size, state.st_ctime_ns) for name, state in states.items()}
