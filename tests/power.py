"""A disk that forgets: what a power cut leaves of a folder, by what was fsynced until then.

POSIX promises no more than this: a file's content is safe when the file was fsynced, a name is safe when its
folder was. :func:`watched` notes both at every ``os.fsync`` below a folder, and keeps two images of it after
every fsync and every rename:

- ``strict``: nothing else survived. A file with a safe name and no safe content is empty.
- ``eager``: every name survived, but no content that was not fsynced (the order of writes is not kept).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Image = dict[str, bytes | None]  # relative path -> content, or None for a folder


@dataclass
class Cut:
    """What a power cut at one moment leaves, and how many steps the work had finished by then."""

    finished: int
    strict: Image
    eager: Image


@dataclass
class Disk:
    """``finished`` is counted up by the work that is watched, after each step that must not be lost."""

    root: Path
    finished: int = 0
    cuts: list[Cut] = field(default_factory=list)
    contents: dict[int, bytes] = field(default_factory=dict)
    names: dict[int, dict[str, int]] = field(default_factory=dict)

    def synced(self, path: Path) -> None:
        if path.is_dir():
            self.names[path.stat().st_ino] = {child.name: child.stat().st_ino for child in path.iterdir()}
        elif path.is_file():
            self.contents[path.stat().st_ino] = path.read_bytes()

    def cut(self) -> None:
        self.cuts.append(Cut(self.finished, self._image(strict=True), self._image(strict=False)))

    def _image(self, *, strict: bool) -> Image:
        kinds = {path.stat().st_ino: path.is_dir() for path in [self.root, *self.root.rglob("*")]}
        image: Image = {}

        def walk(inode: int, place: str) -> None:
            for name, child in self._entries(inode, place, strict).items():
                where = f"{place}{name}"
                if kinds.get(child, False):
                    image[where] = None
                    walk(child, f"{where}/")
                else:  # an unlinked file whose name is still on disk keeps its content
                    image[where] = self.contents.get(child, b"")

        walk(self.root.stat().st_ino, "")
        return image

    def _entries(self, inode: int, place: str, strict: bool) -> dict[str, int]:
        if strict:
            return self.names.get(inode, {})
        return {path.name: path.stat().st_ino for path in (self.root / place).iterdir()}


@contextmanager
def watched(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Note every fsync and rename below ``root`` (an existing, durable folder) while the block lasts."""
    disk, real_fsync, real_replace = Disk(root.resolve()), os.fsync, os.replace

    def fsync(descriptor: Any) -> None:
        real_fsync(descriptor)
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        path = Path(os.readlink(f"/proc/self/fd/{number}"))
        if path.is_relative_to(disk.root):
            disk.synced(path)
            disk.cut()

    def replace(source: Any, target: Any, **where: Any) -> None:
        real_replace(source, target, **where)
        if Path(target).resolve().is_relative_to(disk.root):
            disk.cut()

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        patch.setattr(os, "replace", replace)
        yield disk


def restored(image: Image, folder: Path) -> Path:
    """Write an image into a folder: what is found after the power is back."""
    for name, content in sorted(image.items()):
        path = folder / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def after_every_cut(disk: Disk, folder: Path, check: Callable[[Path, int], None]) -> int:
    """Call ``check(what is left, finished steps)`` for every distinct image. Returns how many there were."""
    seen: list[tuple[int, Image]] = []
    for cut in disk.cuts:
        for image in (cut.strict, cut.eager):
            if (cut.finished, image) not in seen:
                seen.append((cut.finished, image))
                check(restored(image, folder / str(len(seen))), cut.finished)
    return len(seen)
