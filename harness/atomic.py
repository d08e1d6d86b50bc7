"""Files that are either whole or absent, through crashes and power cuts.

The order is always: write under a temporary name in the same folder, fsync the file, rename it, fsync
the folder. A name that starts with ``.tmp-`` is never read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

TEMPORARY = ".tmp-"


def temporary_name(target: Path) -> Path:
    return target.parent / f"{TEMPORARY}{target.name}-{os.getpid()}-{secrets.token_hex(4)}"


def make_folder(path: Path) -> None:
    """Make a folder and its parents, each with a durable name: without it a power cut takes what is inside."""
    if path.is_dir():
        return
    if path.parent != path:
        make_folder(path.parent)
    path.mkdir(exist_ok=True)
    fsync_file(path.parent)


def fsync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename_durably(source: Path, target: Path) -> None:
    """Rename a file whose content is already on disk, and make the new name durable."""
    os.replace(source, target)
    fsync_file(target.parent)


def write_bytes(target: Path, content: bytes) -> None:
    """Write ``content`` to ``target`` so that a reader sees the old file or the new one, never a mix."""
    temporary = temporary_name(target)
    try:
        with open(temporary, "xb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        rename_durably(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def copy_file(source: Path, target: Path) -> None:
    """Copy ``source`` over ``target`` atomically; readers of the old file keep it whole."""
    temporary = temporary_name(target)
    try:
        shutil.copyfile(source, temporary)
        fsync_file(temporary)
        rename_durably(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive advisory lock on ``path`` (made if absent); the kernel drops it at death."""
    make_folder(path.parent)
    with open(path, "a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
