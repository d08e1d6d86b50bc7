"""Segments: Parquet files of records, written once, named by the hash of their bytes.

The name makes damage visible (hash the file, compare), makes writing the same records twice harmless,
and needs no index. A segment holds however many records were ready when it was written.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gad.harness import atomic
from gad.harness.store.layout import Layout
from gad.harness.store.records import PartRecord, TaskRecord

if TYPE_CHECKING:
    import pyarrow as pa

HASH_LENGTH = 32


def write(results: Path, records: Sequence[PartRecord] | Sequence[TaskRecord]) -> Path:
    """Write records of one kind durably and return the segment's path."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = "parts" if isinstance(records[0], PartRecord) else "tasks"
    table = pa.Table.from_pylist([r.model_dump() for r in records], schema=schema(type(records[0])))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    content = buffer.getvalue()
    path = Layout(results).segments / f"{kind}-{hashlib.sha256(content).hexdigest()[:HASH_LENGTH]}.parquet"
    if not path.exists():
        atomic.write_bytes(path, content)
    return path


def schema(kind: type[PartRecord] | type[TaskRecord]) -> pa.Schema:
    """The columns of a segment of these records. One that was written earlier may lack the newest."""
    import pyarrow as pa

    strings, lists = pa.string(), {"labels": pa.list_(pa.int8()), "scores": pa.list_(pa.float64())}
    simple: dict[Any, pa.DataType] = {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    simple |= {kind | None: found for kind, found in simple.items()}
    fields = []
    for name, field in kind.model_fields.items():
        if name in lists:
            fields.append((name, lists[name]))
        elif str(field.annotation).startswith("tuple[str"):
            fields.append((name, pa.list_(strings)))
        else:
            fields.append((name, simple.get(field.annotation, strings)))
    return pa.schema(fields)


def listing(results: Path) -> list[Path]:
    """Segments on disk, in name order."""
    return sorted(Layout(results).segments.glob("*.parquet"))


def is_whole(segment: Path) -> bool:
    """Whether a segment's bytes match its name. Raises OSError when it cannot be read."""
    with open(segment, "rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    return segment.stem.partition("-")[2] == found[:HASH_LENGTH]


def set_damaged_aside(results: Path) -> list[Path]:
    """Move every damaged segment to ``damaged/`` and return where they went.

    Their parts are no longer recorded, so the next run computes them again.
    """
    layout, moved = Layout(results), []
    for segment in listing(results):
        with contextlib.suppress(FileNotFoundError):  # another run sets it aside, too
            if not is_whole(segment):
                atomic.make_folder(layout.damaged)
                atomic.rename_durably(segment, layout.damaged / segment.name)
                moved.append(layout.damaged / segment.name)
    return moved
