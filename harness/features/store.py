"""The feature store: an image meets an encoder once, ever.

Rows are kept in shards (:mod:`gad.harness.features.shards`) under their stream, found by the digest of
the image or text they belong to. Any number of processes may read and write one store at once. What is
damaged is set aside and counts as missing, so that the caller encodes it again; nothing is repaired.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from gad.harness import atomic
from gad.harness.errors import DataError
from gad.harness.features import shards
from gad.harness.features.shards import Stream, StreamInfo
from gad.harness.features.view import StreamView

HOUR = 3600.0  # younger temporary files may belong to a writer that is still at work


class MissingFeatures(DataError):
    """Rows that were asked for are not stored, or no longer whole. ``digests`` are to be encoded."""

    def __init__(self, message: str, *, fix: str = "", digests: tuple[str, ...] = ()) -> None:
        super().__init__(message, fix=fix)
        self.digests = digests

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_missing, (self.message, self.fix, self.digests))


def _rebuild_missing(message: str, fix: str, digests: tuple[str, ...]) -> MissingFeatures:
    return MissingFeatures(message, fix=fix, digests=digests)


class FeatureStore:
    """A folder of features. Make one object a process and keep it: it maps and checks a shard once.

    Reads through one object never differ, even when two shards hold the same digest with different
    bits (see :class:`StreamView`), until that object prunes. Not for several threads at once. Pickling
    carries the folder alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._views: dict[Stream, StreamView] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return (FeatureStore, (self.folder,))

    def missing(self, stream: Stream, digests: Iterable[str]) -> list[str]:
        """Digests that are not stored, each once, in order. Checks indices, not yet the data."""
        asked, view = list(digests), self._view(stream)
        if view.absent(asked):
            view.refresh()
        return view.absent(asked)

    def write(self, stream: Stream, digests: Sequence[str], rows: np.ndarray) -> None:
        """Store ``rows`` [n, ...] (fp16 or fp32, row ``i`` for ``digests[i]``) durably as one shard.

        Raises DataError for rows of another form than the stream's and for values that are not finite.
        """
        index, data = shards.make(stream, digests, rows)
        if not index.digests:
            return
        view, folder = self._view(stream), shards.folder_of(self.folder, stream)
        target, name = folder / f"{index.name}.npy", index.name
        atomic.make_folder(self.folder)
        # The data is written outside the lock, in the store's own folder, which nobody removes.
        temporary = atomic.temporary_name(self.folder / target.name)
        try:
            with open(temporary, "xb") as handle:
                handle.writelines(data)
                handle.flush()
                os.fsync(handle.fileno())
            with self._lock():
                atomic.make_folder(folder)
                view.refresh()
                view.check_layout(index)
                atomic.rename_durably(temporary, target)
                atomic.write_bytes(target.with_suffix(".json"), index.content)
        finally:
            temporary.unlink(missing_ok=True)
        if name not in view.indices:
            view.add(name, index)

    def read(self, stream: Stream, digests: Sequence[str]) -> np.ndarray:
        """The rows [len(digests), ...] in the order asked, copied. A digest may be asked for twice.

        Raises MissingFeatures with every digest to encode when some are not stored; shards found
        damaged on the way have then been set aside.
        """
        view = self._view(stream)
        if not digests or view.absent(digests):
            view.refresh()
        while not view.open(digest for digest in digests if digest in view.where):
            view.refresh()  # a damaged shard went: others may have been written in its place
        if missing := tuple(view.absent(digests)):
            raise MissingFeatures(
                f"Features {stream}: {len(missing)} of {len(set(digests))} rows are not stored "
                f"(first: {missing[0]})",
                fix="They are encoded again by the next submit.",
                digests=missing,
            )
        return view.gather(digests)

    def refresh(self) -> None:
        """Learn of what other processes wrote or pruned. Rows already mapped stay as they are."""
        for view in self._views.values():
            view.refresh()

    def info(self) -> list[StreamInfo]:
        """Every stream with its size on disk, sorted. Changes nothing."""
        found = []
        for stream in shards.streams_in(self.folder):
            folder, held, size, count = shards.folder_of(self.folder, stream), set[str](), 0, 0
            for name in shards.names_in(folder):
                with contextlib.suppress(FileNotFoundError):
                    index = shards.read_index(folder, stream, name)
                    if index is not None:
                        size += sum((folder / f"{name}{end}").stat().st_size for end in (".json", ".npy"))
                        held.update(index.digests)
                        count += 1
            if count:
                found.append(
                    StreamInfo(
                        encoder=stream.encoder, name=stream.name, rows=len(held), bytes=size, shards=count
                    )
                )
        return found

    def prune(self, encoder: str | None = None) -> int:
        """Remove an encoder's streams (all encoders': None) and leftovers; return the bytes freed.

        Who has rows mapped keeps them. Leftovers are what killed writers left over an hour ago.
        """
        if not self.folder.is_dir():
            return 0
        freed = 0
        with self._lock():
            for stream in shards.streams_in(self.folder):
                if encoder in (None, stream.encoder):
                    freed += _remove(shards.folder_of(self.folder, stream))
                    self._views.pop(stream, None)
            return freed + self._sweep()

    def _sweep(self) -> int:
        """Remove temporary files, and data without an index, that are older than an hour."""
        leftovers, old, freed = list(self.folder.glob(f"{atomic.TEMPORARY}*")), time.time() - HOUR, 0
        for stream in shards.streams_in(self.folder):
            folder = shards.folder_of(self.folder, stream)
            leftovers += folder.glob(f"{atomic.TEMPORARY}*")
            leftovers += [data for data in folder.glob("*.npy") if not data.with_suffix(".json").exists()]
        for path in leftovers:
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                if found.st_mtime < old:
                    path.unlink()
                    freed += found.st_size
        return freed

    def _view(self, stream: Stream) -> StreamView:
        if stream not in self._views:
            self._views[stream] = StreamView(shards.folder_of(self.folder, stream), stream)
        return self._views[stream]

    def _lock(self) -> contextlib.AbstractContextManager[None]:
        """Held while a shard gets its name and index, and while streams are removed."""
        return atomic.folder_lock(self.folder / ".lock")


def _remove(folder: Path) -> int:
    """Remove a stream: indices first, so that a crash leaves no index without its data."""
    freed = 0
    for pattern in ("*.json", "*", f"{shards.DAMAGED}/*"):
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                with contextlib.suppress(FileNotFoundError):  # set aside by another process
                    size = path.stat().st_size
                    path.unlink()
                    freed += size
        atomic.fsync_file(folder)
    for empty in (folder / shards.DAMAGED, folder, folder.parent):
        with contextlib.suppress(OSError):  # absent, or the encoder has other streams
            empty.rmdir()
    return freed
