"""Writing a prepared dataset, whole or not at all: see :mod:`gad.harness.manifest` for what lies where."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from gad.harness import atomic
from gad.harness.errors import DataError
from gad.harness.manifest import MANIFEST, SUMMARY, Prepared, fingerprint, load, row_order, summarise
from gad.harness.nouns import DatasetInfo, Sample


def write(
    data: Path,
    info: DatasetInfo,
    samples: Sequence[Sample],
    *,
    root: Path | None,
    texts: dict[str, str],
    made: Path | None = None,
    named: Path | None = None,
    warnings: Sequence[str] = (),
) -> Prepared:
    """Write a prepared dataset to ``data/<name>``, replacing an older one, and return its summary.

    ``root`` is the raw tree that sample paths start from; ``None`` means the files in ``made``, a folder
    on the same file system whose content becomes part of the prepared dataset.
    Raises DataError for a sample that appears twice, or a dataset without test images.
    """
    _refuse_nonsense(info.name, samples)
    staging = atomic.temporary_name(data / info.name)
    atomic.make_folder(data)
    if made is None:
        staging.mkdir()
    else:
        os.replace(made, staging)
    try:
        _write_rows(staging / MANIFEST, samples)
        summary = Prepared(
            name=info.name,
            title=info.title,
            licence=info.licence,
            citation=info.citation,
            protocol=info.protocol,
            root="." if root is None else str(root.resolve()),
            named="" if named is None else str(named.resolve()),
            fingerprint=fingerprint(samples),
            categories=summarise(samples, texts),
            warnings=tuple(warnings),
        )
        atomic.write_bytes(staging / SUMMARY, summary.model_dump_json(indent=1, exclude={"folder"}).encode())
        _swap(staging, data / info.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return load(data, info.name)


def _refuse_nonsense(name: str, samples: Sequence[Sample]) -> None:
    if not samples:
        raise DataError(f"{name}: no images", fix="Check the raw folder.")
    seen: set[tuple[str, str, str]] = set()
    for sample in samples:
        if row_order(sample) in seen:
            raise DataError(
                f"{name}: {sample.id} appears twice in category {sample.category}",
                fix="Two names differ in nothing but how their letters are encoded: rename one of the files.",
            )
        seen.add(row_order(sample))
    held = {(s.category, s.split, s.label) for s in samples}
    for category in dict.fromkeys(s.category for s in samples):
        if not {(category, "test", 0), (category, "test", 1)} & held:
            raise DataError(
                f"{name}: category {category} has no test images",
                fix="Detectors are tested on normal and anomalous images: add some, or leave the category out.",
            )
        if (category, "train", 0) not in held:
            raise DataError(
                f"{name}: category {category} has no normal train images",
                fix="Detectors are shown normal images: add some, or leave the category out.",
            )


def _write_rows(path: Path, samples: Sequence[Sample]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [s.model_dump() for s in sorted(samples, key=row_order)]
    schema = pa.schema(
        [
            *[(name, pa.string()) for name in ("category", "split", "id", "path")],
            ("crop", pa.list_(pa.int32())),
            ("index", pa.int64()),
            ("label", pa.int8()),
            *[(name, pa.string()) for name in ("defect", "mask", "mask_digest", "digest")],
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, compression="zstd")
    atomic.fsync_file(path)


def _swap(staging: Path, target: Path) -> None:
    """Put ``staging`` in the place of ``target``; an older version goes first to a temporary name."""
    atomic.fsync_file(staging)
    if target.exists():
        old = atomic.temporary_name(target)
        os.replace(target, old)
        atomic.rename_durably(staging, target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        atomic.rename_durably(staging, target)
