"""What a number was made of: parts, image scores, prompts, failures, tasks of chosen jobs.

Short queries over the published database, kept while it is not replaced.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gad.harness.store import read
from gad.leaderboard import queries

Labels = NDArray[np.int8]
Floats = NDArray[np.float64]

CATEGORY = (
    "job_id, category, part_id, status, n_normal, n_anomalous, auroc, auprc, f1_max, fpr95, pixel_auroc, pixel_auprc, "
    "pixel_aupro, seconds, error, "
    "seed, training_seed, shots, method_key, column_key, dataset, model"
)


def ask(results: Path, sql: str, values: tuple[Any, ...] = ()) -> pd.DataFrame:
    """Rows of a parametrised query over the database as published last."""
    stamp = queries.stamp(results)
    return _ask(results, stamp, sql, values).copy() if stamp else pd.DataFrame()


@lru_cache(maxsize=128)
def _ask(results: Path, _: object, sql: str, values: tuple[Any, ...]) -> pd.DataFrame:
    listed = [list(value) if isinstance(value, tuple) else value for value in values]
    with queries.ONE_READER, read.connect(results) as connection:
        cursor = connection.execute(sql, listed)
        names = [column[0] for column in cursor.description or []]
        return pd.DataFrame(cursor.fetchall(), columns=names)


def categories(results: Path, job_ids: list[str]) -> pd.DataFrame:
    """One line for each category of some jobs."""
    source = _source(results, queries.stamp(results))
    return ask(
        results,
        f"SELECT {CATEGORY} FROM {source} WHERE job_id = ANY(?) ORDER BY category, seed, training_seed",  # noqa: S608
        (tuple(job_ids),),
    )


@lru_cache(maxsize=4)
def _source(results: Path, _: object) -> str:
    with queries.ONE_READER, read.connect(results) as connection:
        return read.source(connection, "category")


def scores(results: Path, part_ids: list[str]) -> pd.DataFrame:
    """Image scores of some parts: ``part_id, sample_id, label, defect, score``."""
    return ask(
        results,
        "SELECT part_id, sample_id, label, defect, score FROM scores WHERE part_id = ANY(?) "
        "ORDER BY part_id, sample_id",
        (tuple(sorted(part_ids)),),
    )


def score_arrays(results: Path, part_ids: list[str]) -> dict[str, tuple[Labels, Floats, int]]:
    """Labels int8 ``[n]`` and scores ``[n]`` of some parts, by part, both in the order of the sample ids.

    The number is the same for parts that scored the same samples.
    """
    with queries.ONE_READER, read.connect(results) as connection:
        found = connection.execute(
            "SELECT part_id, list(label ORDER BY sample_id) AS labels, list(score ORDER BY sample_id) AS scores, "
            "hash(list(sample_id ORDER BY sample_id)) AS samples "
            "FROM scores WHERE part_id = ANY(?) GROUP BY part_id",
            [sorted(part_ids)],
        ).fetchnumpy()
    columns = zip(found["labels"], found["scores"], found["samples"], strict=True)
    arrays = [(np.asarray(a, np.int8), np.asarray(b, float), int(samples)) for a, b, samples in columns]
    return dict(zip(map(str, found["part_id"]), arrays, strict=True))


def prompts(results: Path, part_ids: list[str]) -> pd.DataFrame:
    """The normal images that some parts were shown, in order: ``part_id, position, sample_id``."""
    return ask(
        results,
        "SELECT part_id, position, sample_id FROM prompts WHERE part_id = ANY(?) ORDER BY part_id, position",
        (tuple(sorted(part_ids)),),
    )


def job(results: Path, job_id: str) -> pd.DataFrame:
    """All that is recorded of one job's plan; no line when there is none."""
    return ask(results, "SELECT * FROM jobs WHERE job_id = ?", (job_id,))


def parts(results: Path, job_id: str) -> pd.DataFrame:
    """The parts of a job as they ran: where, when, how long, with what memory."""
    return ask(
        results,
        "SELECT p.category, p.status, p.node, p.threads, p.attempts, p.peak_memory_mb, p.started, p.ended, p.seconds, "
        "p.n_normal + p.n_anomalous AS images, p.run_id, p.part_id "
        "FROM job_parts jp JOIN parts p USING (part_id) WHERE jp.job_id = ? ORDER BY p.category",
        (job_id,),
    )


def failures(results: Path, job_id: str = "") -> pd.DataFrame:
    """Failed parts that have not succeeded since, newest first, with traceback and last output."""
    return ask(
        results,
        "SELECT jp.job_id, p.model, p.dataset, p.category, p.shots, p.seed, f.run_id, f.attempts, f.error_type, "
        "f.error, f.traceback, f.output, f.ended FROM failures f JOIN parts p USING (part_id) "
        "JOIN job_parts jp USING (part_id) "
        "WHERE p.status = 'failed' AND (? = '' OR jp.job_id = ?) ORDER BY f.ended DESC LIMIT 200",
        (job_id, job_id),
    )


def environment(results: Path, run_id: str) -> pd.DataFrame:
    """What a run found on its machine: ``key, value``."""
    return ask(results, "SELECT key, value FROM environment WHERE run_id = ? ORDER BY key", (run_id,))


def runs(results: Path) -> pd.DataFrame:
    """Every run, newest first, with how many jobs it asked for last and what its parts cost."""
    return ask(
        results,
        "SELECT r.run_id, r.grid, r.command, r.started, r.version, r.spec, "
        "(SELECT count(*) FROM jobs j WHERE j.last_run = r.run_id) AS jobs, p.parts, p.failed, p.seconds, p.images, "
        "p.wanted, p.first, p.last, t.encoded, t.encode_seconds, t.pass_seconds, t.train_seconds, t.trainings "
        "FROM runs r "
        "LEFT JOIN (SELECT run_id, count(*) AS parts, count(*) FILTER (status = 'failed') AS failed, "
        " sum(seconds) AS seconds, sum(n_normal + n_anomalous) AS images, "
        " sum(n_normal + n_anomalous) FILTER (encodes) AS wanted, min(started) AS first, max(ended) AS last "
        ' FROM parts LEFT JOIN (SELECT method_key, bool_or(contains(method_fields, \'"kind": "features"\')) AS encodes '
        "  FROM jobs GROUP BY method_key) USING (method_key) GROUP BY run_id) p USING (run_id) "
        "LEFT JOIN (SELECT run_id, sum(images) FILTER (stage = 'encode') AS encoded, "
        " sum(ended - started) FILTER (stage = 'encode') AS encode_seconds, "
        " sum(decode_seconds + pass_seconds) FILTER (stage = 'encode' AND images > 0) AS pass_seconds, "
        " sum(ended - started) FILTER (stage = 'train') AS train_seconds, "
        " count(*) FILTER (stage = 'train') AS trainings FROM tasks GROUP BY run_id) t USING (run_id) "
        "ORDER BY r.started DESC",
    )
