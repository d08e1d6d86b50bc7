"""What one process knows of one stream: its shards, and which row of which shard an image has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from gad.harness.errors import DataError
from gad.harness.features import shards
from gad.harness.features.shards import Index, Stream


class StreamView:
    """Indices in memory, data mapped when first asked for.

    A digest that two shards hold is taken from the first in name order; once that shard is mapped,
    always from it, whatever is found later. So two reads of a view never differ.
    """

    def __init__(self, folder: Path, stream: Stream) -> None:
        self.folder = folder
        self.stream = stream
        self.indices: dict[str, Index] = {}
        self.rows: dict[str, np.ndarray] = {}
        self.where: dict[str, tuple[str, int]] = {}

    @property
    def layout(self) -> tuple[str, tuple[int, ...]] | None:
        """dtype and row shape, or None while no shard is known."""
        return next((index.layout for index in self.indices.values()), None)

    def absent(self, digests: Iterable[str]) -> list[str]:
        """Digests that no known shard holds, each once, in order."""
        return [digest for digest in dict.fromkeys(digests) if digest not in self.where]

    def refresh(self) -> None:
        """Learn of new shards, forget those that went (unless mapped), set damaged indices aside."""
        present = shards.names_in(self.folder)
        self.forget(set(self.indices) - set(present) - set(self.rows))
        for name in present:
            if name in self.indices:
                continue
            try:
                index = shards.read_index(self.folder, self.stream, name)
            except FileNotFoundError:
                continue  # pruned or set aside since it was listed
            if index is None:
                shards.set_aside(self.folder, name)
            else:
                self.add(name, index)

    def add(self, name: str, index: Index) -> None:
        self.check_layout(index)
        self.indices[name] = index
        self._place(name, index)

    def _place(self, name: str, index: Index) -> None:
        for row, digest in enumerate(index.digests):
            holder = self.where.get(digest)
            if holder is None or (name < holder[0] and holder[0] not in self.rows):
                self.where[digest] = (name, row)

    def check_layout(self, index: Index) -> None:
        if self.layout not in (None, index.layout):
            raise DataError(
                f"Features {self.stream}: rows {_words(index.layout)} do not fit the stored "
                f"{_words(self.layout)}",
                fix="The encoder's key must change with the form of its rows. "
                "To start over, remove the stored ones: harness cache prune.",
            )

    def forget(self, names: set[str]) -> None:
        """Take shards out that were never mapped; what others hold of their rows is found there."""
        if not names:
            return
        for name in names:
            del self.indices[name]
        self.where = {digest: holder for digest, holder in self.where.items() if holder[0] not in names}
        for name, index in self.indices.items():
            self._place(name, index)

    def open(self, digests: Iterable[str]) -> bool:
        """Map the shards that hold ``digests``. False when a damaged one was set aside on the way."""
        damaged: set[str] = set()
        for name in sorted({self.where[digest][0] for digest in digests} - set(self.rows)):
            rows = shards.open_rows(self.folder, name, self.indices[name])
            if rows is None:
                shards.set_aside(self.folder, name)
                damaged.add(name)
            else:
                self.rows[name] = rows
        self.forget(damaged)
        return not damaged

    def gather(self, digests: Sequence[str]) -> np.ndarray:
        """A copy of the rows in the order asked; all of them must have been opened."""
        layout = self.layout
        if layout is None:
            raise DataError(f"Features {self.stream}: nothing is stored, so the form of a row is not known")
        gathered = np.empty((len(digests), *layout[1]), dtype=layout[0])
        places: dict[str, list[tuple[int, int]]] = {}
        for position, digest in enumerate(digests):
            name, row = self.where[digest]
            places.setdefault(name, []).append((row, position))
        for name, pairs in places.items():
            rows, positions = zip(*sorted(pairs), strict=True)
            gathered[list(positions)] = self.rows[name][list(rows)]
        return gathered


def _words(layout: tuple[str, tuple[int, ...]] | None) -> str:
    return f"{layout[0]} {list(layout[1])}" if layout else "nothing"
