"""Shards: files of feature rows, and what two files of one shard say about each other.

    <store>/<encoder>/<name>/<hash>.npy     rows [n, ...], little-endian fp16 or fp32
    <store>/<encoder>/<name>/<hash>.json    its index: digests, dtype, shape, sha256 of the data, stream
    <store>/<encoder>/<name>/damaged/       shards that failed a check, kept for inspection

``<hash>`` is the hash of the index's bytes. The index holds the sha256 of the data, so the name covers
everything: damage anywhere is seen, the same rows for other images are another shard (two black images
have equal features), and writing the same shard twice gives the same files. The index comes last: data
without an index is a write that did not finish, and is not looked at.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError

from gad.harness import atomic
from gad.harness.errors import DataError
from gad.harness.ids import canonical
from gad.harness.nouns import Frozen

HASH_LENGTH = 32  # hex digits of a sha256 in a shard's name
DAMAGED = "damaged"
ENCODER = r"^[0-9a-f]{1,64}$"
NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
DTYPES = ("float16", "float32", "uint8")  # the last for pixels


class Stream(Frozen):
    """One kind of rows of one encoder.

    ``encoder`` is the hex key of everything that could change a row (weights, code, preprocessing,
    precision); ``name`` says which rows: ``class`` (fp32 [D]), ``layer-07`` (fp16 [P, D]), ``text``
    (fp32 [D]); or ``pixels`` (uint8 [size, size, 3]) of everything that could change a pixel.
    """

    encoder: str = Field(pattern=ENCODER)
    name: str = Field(pattern=NAME)

    def __str__(self) -> str:
        return f"{self.name} of encoder {self.encoder}"


class StreamInfo(Frozen):
    """What a stream takes on disk. ``rows`` counts an image once, in however many shards it is."""

    encoder: str
    name: str
    rows: int
    bytes: int
    shards: int


class Index(Frozen):
    """A shard's index: row ``i`` of the data belongs to ``digests[i]``. ``shape`` is [n, ...]."""

    stream: Stream
    digests: tuple[str, ...]
    dtype: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def content(self) -> bytes:
        return canonical(self.model_dump(mode="json"))

    @property
    def name(self) -> str:
        return _name_of(self.content)

    @property
    def layout(self) -> tuple[str, tuple[int, ...]]:
        """dtype and shape of a row: the same in all shards of a stream."""
        return self.dtype, self.shape[1:]


def _name_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:HASH_LENGTH]


def folder_of(store: Path, stream: Stream) -> Path:
    return store / stream.encoder / stream.name


def streams_in(store: Path) -> list[Stream]:
    """Streams that have a folder, sorted. Other files and folders are not ours and are left alone."""
    if not store.is_dir():
        return []
    pairs = sorted((path.parent.name, path.name) for path in store.glob("*/*") if path.is_dir())
    return [Stream(encoder=e, name=n) for e, n in pairs if re.fullmatch(ENCODER, e) and re.fullmatch(NAME, n)]


def names_in(folder: Path) -> list[str]:
    """Names of the finished shards, sorted."""
    return sorted(path.stem for path in folder.glob("*.json") if not path.name.startswith("."))


def make(stream: Stream, digests: Sequence[str], rows: np.ndarray) -> tuple[Index, tuple[bytes, memoryview]]:
    """Index of a shard, and its data file as header and rows. A digest given twice keeps its first row.

    Raises DataError for a dtype that is not stored here, a wrong count, or a value that is not finite.
    """
    if rows.dtype.name not in DTYPES or rows.dtype.byteorder == ">":
        raise DataError(
            f"Features {stream}: rows are {rows.dtype}, expected little-endian {', '.join(DTYPES)}"
        )
    if rows.ndim < 2 or len(rows) != len(digests):
        raise DataError(
            f"Features {stream}: {len(digests)} digests and an array of shape {rows.shape}; "
            "expected one row [...] for each digest"
        )
    for digest, values in zip(digests, rows, strict=True):
        if not np.isfinite(values).all():
            raise DataError(
                f"Features {stream}: the row of image or text {digest} holds NaN or infinite values",
                fix="The encoder overflowed or its weights are damaged; try fp32 precision.",
            )
    first: dict[str, int] = {}
    for row, digest in enumerate(digests):
        first.setdefault(digest, row)
    if len(first) < len(digests):
        digests, rows = list(first), rows[list(first.values())]
    # What np.save would write, without its copies of the rows.
    rows, header = np.ascontiguousarray(rows), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(rows))
    checksum = hashlib.sha256(header.getvalue())
    checksum.update(rows.data)
    index = Index(
        stream=stream,
        digests=tuple(digests),
        dtype=rows.dtype.name,
        shape=rows.shape,
        sha256=checksum.hexdigest(),
    )
    return index, (header.getvalue(), rows.data)


def read_index(folder: Path, stream: Stream, name: str) -> Index | None:
    """The index, or None when it is damaged (not what was written under that name). May raise
    FileNotFoundError."""
    content = (folder / f"{name}.json").read_bytes()
    if _name_of(content) != name:
        return None
    try:
        index = Index.model_validate_json(content)
    except ValidationError:
        return None
    return index if index.stream == stream else None


def open_rows(folder: Path, name: str, index: Index) -> np.ndarray | None:
    """The rows, mapped read-only, after their checksum held; None when they are damaged or gone."""
    path = folder / f"{name}.npy"
    try:
        with open(path, "rb") as handle:
            if hashlib.file_digest(handle, "sha256").hexdigest() != index.sha256:
                return None
        # A file of this name is only ever replaced whole, by the same bytes, so what was checked is mapped.
        rows: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return None
    return rows


def set_aside(folder: Path, name: str) -> None:
    """Move a damaged shard to ``damaged/``, index first. Another process may be doing the same."""
    for file in (f"{name}.json", f"{name}.npy"):
        with contextlib.suppress(FileNotFoundError):
            if (folder / file).exists():
                (folder / DAMAGED).mkdir(exist_ok=True)
                atomic.rename_durably(folder / file, folder / DAMAGED / file)
