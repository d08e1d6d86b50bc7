"""Identity: canonical hashes, the two keys, and job and part ids.

A *column key* says what a column of the table means (data and rules), a *method key* what a row means
(model, options, code, precision). Ids are built from them, so that a result can never be read under
another meaning than the one it was computed with. Every hash carries ``ID_VERSION``: change what goes
into an id and the version must rise, which tests/golden holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ID_VERSION = 1
KEY_LENGTH = 20  # hex digits kept of a sha256: 80 bits, no collision below about 10^11 ids


def canonical(value: Any) -> bytes:
    """Canonical JSON (sorted keys, no spaces, UTF-8, no NaN) of plain data."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8", "surrogatepass")


def digest(value: Any) -> str:
    """Full sha256 (64 hex digits) of plain data."""
    return hashlib.sha256(canonical(value)).hexdigest()


def short_id(kind: str, fields: Mapping[str, Any]) -> str:
    """``KEY_LENGTH`` hex digits naming ``fields`` under the current id version."""
    return digest({"kind": kind, "version": ID_VERSION, **fields})[:KEY_LENGTH]


def method_key(fields: Mapping[str, Any]) -> str:
    """Key of a table row. ``fields``: model, options, source digests, input, precision, recipe ..."""
    return short_id("method", fields)


def column_key(
    *,
    fingerprint: str,
    texts: Mapping[str, str],
    prompt_rule: str,
    metrics_version: int,
    test_images: int | None,
) -> str:
    """Key of a table column: data manifest, the categories' texts, prompt rule (or imported set),
    metrics, test limit."""
    return short_id(
        "column",
        {
            "data": fingerprint,
            "texts": dict(texts),
            "prompts": prompt_rule,
            "metrics": metrics_version,
            "test_images": test_images,
        },
    )


def job_id(
    *, method: str, column: str, dataset: str, shots: int, seed: int, training_seed: int | None
) -> str:
    """Id of one (model with options, dataset, K, seed) under given keys."""
    return short_id(
        "job",
        {
            "method": method,
            "column": column,
            "dataset": dataset,
            "shots": shots,
            "seed": seed,
            "training_seed": training_seed,
        },
    )


def training_id(*, method: str, auxiliary: str, shots: int, training_seed: int) -> str:
    """Id of one training: the method, the auxiliary data's fingerprint, K, and the training seed."""
    return short_id(
        "training",
        {"method": method, "auxiliary": auxiliary, "shots": shots, "training_seed": training_seed},
    )


def part_id(
    *,
    method: str,
    dataset: str,
    category: str,
    text: str,
    seed: int,
    training: str,
    prompts: Iterable[tuple[str, str]],
    queries: str,
) -> str:
    """Id of a job's share of one category: everything its scores depend on, and nothing else.

    ``prompts`` are (sample id, content digest) pairs in order; ``queries`` is the digest of the test
    samples (:func:`samples_digest`); ``training`` names the exact training behind a trained detector
    (auxiliary data, K, training seed), empty for one that is not trained. A file added to another
    category changes the column key and the job id, but not this, so finished parts are used again.
    """
    return short_id(
        "part",
        {
            "method": method,
            "dataset": dataset,
            "category": category,
            "text": text,
            "seed": seed,
            "training": training,
            "prompts": [list(pair) for pair in prompts],
            "queries": queries,
        },
    )


def samples_digest(rows: Iterable[tuple[str | int, ...]]) -> str:
    """Digest of (sample id, content digest, label, defect[, mask digest]) rows, in the order given."""
    running = hashlib.sha256()
    for row in rows:
        running.update(canonical(list(row)))
        running.update(b"\n")
    return running.hexdigest()


def source_digest(files: Iterable[Path], root: Path) -> str:
    """sha256 over names (relative to ``root``) and contents of source files, line ends normalised."""
    running = hashlib.sha256()
    for file in sorted(files):
        running.update(file.relative_to(root).as_posix().encode() + b"\0")
        running.update(file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return running.hexdigest()
