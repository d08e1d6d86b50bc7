"""Manifests of the data that results were computed on, kept beside the results by fingerprint.

    RESULTS/manifests/<fingerprint>.parquet

A dataset may be prepared again from other files; what an earlier result saw can still be told.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from gad.harness import atomic
from gad.harness.manifest import Prepared
from gad.harness.store.layout import Layout

Rows = dict[tuple[str, str], dict[str, Any]]


def keep(results: Path, prepared: Prepared) -> None:
    """Copy a prepared dataset's manifest, unless it is there."""
    target = Layout(results).manifests / f"{prepared.fingerprint}.parquet"
    if target.is_file():
        return
    atomic.make_folder(target.parent)
    staging = atomic.temporary_name(target)
    try:
        shutil.copyfile(prepared.manifest_path, staging)
        atomic.fsync_file(staging)
        atomic.rename_durably(staging, target)
    finally:
        staging.unlink(missing_ok=True)


def read(results: Path, fingerprint: str) -> Rows | None:
    """Rows of a kept manifest by (category, id); None when it was not kept."""
    path = Layout(results).manifests / f"{fingerprint}.parquet"
    return {(row["category"], row["id"]): row for row in rows(path)} if path.is_file() else None


def is_readable(path: Path) -> bool:
    """Whether a manifest file holds what it should."""
    import duckdb

    try:
        return bool(rows(path))
    except duckdb.Error:
        return False


def rows(path: Path) -> list[dict[str, Any]]:
    """What identifies each sample of a manifest file: category, id, split, label, defect, digest."""
    import duckdb

    columns = ("category", "id", "split", "label", "defect", "digest")
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT {', '.join(columns)} FROM read_parquet(?) ORDER BY category, split, id",  # noqa: S608
            [str(path)],
        ).fetchall()
    return [dict(zip(columns, row, strict=True)) for row in found]
