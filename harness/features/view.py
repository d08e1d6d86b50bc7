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

    A digest that two shards hold is taken from the first in name order, and from then on always from
    that one, whatever is found later: two reads of this view never differ.
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
        for name in set(self.indices) - set(present) - set(self.rows):
            self.forget(name)
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
        for row, digest in enumerate(index.digests):
            self.where.setdefault(digest, (name, row))

    def check_layout(self, index: Index) -> None:
        if self.layout not in (None, index.layout):
            raise DataError(
                f"Features {self.stream}: rows {_words(index.layout)} do not fit the stored "
                f"{_words(self.layout)}",
                fix="The encoder's key must change with the form of its rows. "
                "To start over, remove the stored ones: harness cache prune.",
            )

    def forget(self, name: str) -> None:
        """Take a shard out; what other shards hold of it is found there, first in name order."""
        gone = self.indices.pop(name)
        self.rows.pop(name, None)
        lost = {digest for digest in gone.digests if self.where[digest][0] == name}
        for digest in lost:
            del self.where[digest]
        for other in sorted(self.indices):
            for row, digest in enumerate(self.indices[other].digests):
                if digest in lost:
                    self.where.setdefault(digest, (other, row))

    def open(self, digests: Iterable[str]) -> bool:
        """Map the shards that hold ``digests``. False when a damaged one was set aside on the way."""
        whole = True
        for name in sorted({self.where[digest][0] for digest in digests} - set(self.rows)):
            rows = shards.open_rows(self.folder, name, self.indices[name])
            if rows is None:
                shards.set_aside(self.folder, name)
                self.forget(name)
                whole = False
            else:
                self.rows[name] = rows
        return whole

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
