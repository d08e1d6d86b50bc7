"""Which planted files any process opens, as the kernel tells (Linux's inotify): also native code, and programs."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

IN_OPEN, IN_NONBLOCK, IN_CLOEXEC = 0x20, 0o4000, 0o2000000
EVENT = struct.Struct("iIII")  # watch descriptor, mask, cookie, length of the name that follows


class Opened:
    """Watches folders and all below them. Where the system cannot, ``works`` is False and nothing is seen."""

    def __init__(self, folders: list[Path]) -> None:
        self.places: dict[int, Path] = {}
        self.descriptor = -1
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            self.descriptor = libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        except (OSError, AttributeError):
            return
        for folder in folders:
            for place in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
                number = libc.inotify_add_watch(self.descriptor, os.fsencode(place), IN_OPEN)
                if number >= 0:
                    self.places[number] = place

    @property
    def works(self) -> bool:
        return bool(self.places)

    def take(self) -> list[Path]:
        """What was opened since the last time, folders that were listed included, each once."""
        found: dict[Path, None] = {}
        while self.works:
            try:
                content = os.read(self.descriptor, 1 << 16)
            except BlockingIOError:
                break
            start = 0
            while start < len(content):
                number, _, _, length = EVENT.unpack_from(content, start)
                start += EVENT.size
                name = os.fsdecode(content[start : start + length].rstrip(b"\0"))
                start += length
                if number in self.places:
                    found[self.places[number] / name] = None
        return list(found)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor, self.places = -1, {}
