"""Prepared datasets: a manifest (Parquet), a summary (JSON) and, where needed, images of their own.

    DATA/<name>/dataset.json       summary: root, protocol, fingerprint, counts and digests per category
    DATA/<name>/manifest.parquet   one row per sample
    DATA/<name>/...                files that had to be made (array files, generated images)

A dataset is written into a temporary folder and renamed, so a half-finished one is never seen. The
fingerprint is a hash of the rows, not of the files that hold them, so it is the same on every machine.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gad.harness.errors import DataError
from gad.harness.ids import canonical, samples_digest
from gad.harness.nouns import Category, Frozen, Protocol, Sample

if TYPE_CHECKING:
    import duckdb

SUMMARY = "dataset.json"
MANIFEST = "manifest.parquet"
COLUMNS = (
    "category",
    "split",
    "id",
    "path",
    "crop",
    "index",
    "label",
    "defect",
    "mask",
    "mask_digest",
    "digest",
)


class Prepared(Frozen):
    """Summary of a prepared dataset. ``root`` is absolute, or "." for files inside the folder itself.

    ``named`` is the folder that was named, where its images are in another. ``licence`` and ``citation`` are its
    card's, empty for what an earlier version prepared.
    """

    name: str
    title: str
    licence: str = ""
    citation: str = ""
    protocol: Protocol
    root: str
    named: str = ""
    fingerprint: str
    categories: tuple[Category, ...]
    warnings: tuple[str, ...] = ()
    folder: str = ""

    @property
    def root_path(self) -> Path:
        return Path(self.folder) if self.root == "." else Path(self.root)

    @property
    def manifest_path(self) -> Path:
        return Path(self.folder) / MANIFEST

    def category(self, name: str) -> Category:
        return next(c for c in self.categories if c.category == name)


def sample_id(relative: str | Path, position: str = "") -> str:
    """NFC POSIX path inside the raw tree, plus ``#position`` where one file holds several images."""
    text = unicodedata.normalize("NFC", PurePosixPath(relative).as_posix())
    return f"{text}#{position}" if position else text


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def row_order(sample: Sample) -> tuple[str, str, str]:
    return (sample.category, sample.split, sample.id)


def fingerprint(samples: Iterable[Sample]) -> str:
    """Hash of the manifest: every field but the paths' local spelling, in canonical order.

    Masks of cut files are known by their digest alone: downloads nest their folders differently.
    """
    running = hashlib.sha256()
    for sample in sorted(samples, key=row_order):
        row = sample.model_dump(exclude={"path"}, mode="json")
        row["mask"] = unicodedata.normalize("NFC", sample.mask) if sample.crop is None else ""
        running.update(canonical(row) + b"\n")
    return running.hexdigest()


def summarise(samples: Sequence[Sample], texts: dict[str, str]) -> tuple[Category, ...]:
    """Counts and test digest of every category. ``texts`` maps a category to its class text."""
    by_category: dict[str, list[Sample]] = defaultdict(list)
    for sample in sorted(samples, key=row_order):
        by_category[sample.category].append(sample)
    return tuple(
        Category(
            category=name,
            text=texts[name],
            train_normal=sum(s.split == "train" and s.label == 0 for s in rows),
            test_normal=sum(s.split == "test" and s.label == 0 for s in rows),
            test_anomalous=sum(s.split == "test" and s.label == 1 for s in rows),
            test_digest=test_digest([s for s in rows if s.split == "test"]),
        )
        for name, rows in by_category.items()
    )


def test_digest(tests: Iterable[Sample]) -> str:
    """Of all that the scores and metrics of a test split come from: masks too, where there are some."""
    return samples_digest(
        (s.id, s.digest, s.label, s.defect, *([s.mask_digest] * bool(s.mask))) for s in tests
    )


test_digest.__test__ = False  # type: ignore[attr-defined]  # its name is not a test's


def exists(data: Path, name: str) -> bool:
    return (data / name / SUMMARY).is_file()


def names(data: Path) -> list[str]:
    """Names of what is prepared in ``data``, damaged or not."""
    found = sorted(data.glob(f"*/{SUMMARY}")) if data.is_dir() else []
    return [path.parent.name for path in found if not path.parent.name.startswith(".")]


def load(data: Path, name: str) -> Prepared:
    """Read a prepared dataset's summary. Raises DataError when it is absent or unreadable."""
    path = data / name / SUMMARY
    try:
        fields = json.loads(path.read_bytes())
        return Prepared(**fields, folder=str(path.parent.resolve()))
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"dataset {name!r} is not prepared: no {path}",
            fix=f"Run `harness data prepare {name} --raw DIR --data {data}`.",
        ) from None
    except (ValueError, TypeError) as error:
        raise DataError(
            f"dataset {name!r}: {path} is damaged ({type(error).__name__})",
            fix=f"Run `harness data prepare {name}` again.",
        ) from error


def read_samples(
    prepared: Prepared, *, category: str | None = None, split: str | None = None, label: int | None = None
) -> list[Sample]:
    """Samples of a prepared dataset in manifest order, filtered. Reads Parquet through duckdb (light)."""
    import duckdb

    wanted = {"category": category, "split": split, "label": label}
    filters = {name: value for name, value in wanted.items() if value is not None}
    where = " AND ".join(f"{name} = ?" for name in filters) or "true"
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    query = f"SELECT {columns} FROM read_parquet(?) WHERE {where} ORDER BY category, split, id"  # noqa: S608
    try:
        with _reader().cursor() as cursor:
            rows = cursor.execute(query, [str(prepared.manifest_path), *filters.values()]).fetchall()
    except duckdb.Error as error:
        raise DataError(
            f"dataset {prepared.name!r}: {prepared.manifest_path} cannot be read ({str(error).splitlines()[0]})",
            fix=f"Run `harness data prepare {prepared.name}` again.",
        ) from error
    return [_sample(dict(zip(COLUMNS, row, strict=True))) for row in rows]


def test_digests(prepared: Prepared, categories: Sequence[str]) -> set[str]:
    """Content digests of the test images of some categories (an image in several counts once)."""
    query = "SELECT DISTINCT digest FROM read_parquet(?) WHERE split = 'test' AND category = ANY(?)"
    with _reader().cursor() as cursor:
        rows = cursor.execute(query, [str(prepared.manifest_path), list(categories)]).fetchall()
    return {digest for (digest,) in rows}


test_digests.__test__ = False  # type: ignore[attr-defined]


@cache
def _reader() -> duckdb.DuckDBPyConnection:
    """One in-memory database for all manifests: opening one takes longer than reading a manifest."""
    import duckdb

    return duckdb.connect()


def _sample(row: dict[str, object]) -> Sample:
    crop = row["crop"]
    row["crop"] = tuple(crop) if isinstance(crop, list) else None
    return Sample.model_construct(None, **row)
