"""Files into tables: runs with their jobs, and segments with the parts, scores and tasks that they hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gad.harness import atomic
from gad.harness.store import runs, segments
from gad.harness.store.layout import Layout
from gad.harness.store.records import PartRecord, TaskRecord

if TYPE_CHECKING:
    import duckdb

JOB_COLUMNS = (
    "job_id, name, model, options, dataset, protocol, shots, seed, training_seed, test_images, "
    "method_key, column_key, method_fields, column_fields, invalid, first_run, last_run"
)
PART_COLUMNS = (
    "part_id, status, run_id, dataset, category, model, options, shots, seed, training_seed, method_key, "
    "attempts, halved_batch, node, pid, threads, peak_memory_mb, started, ended, seconds, input_seconds, "
    "source, windowed, parameters"
)
TASK_COLUMNS = (
    "task_id, run_id, stage, dataset, category, model, node, node_ip, pid, driver_pid, started, ended, "
    "images, parts, source, decode_seconds, pass_seconds, window_seconds"
)


def add_new_runs(connection: duckdb.DuckDBPyConnection, layout: Layout) -> tuple[int, list[Path]]:
    """Bring runs in line with their files. Returns how many changed, and files that are damaged.

    When a file is gone, its run and the jobs that only it planned go too: all runs are read again.
    """
    on_disk = {
        p.stem: p for p in sorted(layout.runs.glob("*.json")) if not p.name.startswith(atomic.TEMPORARY)
    }
    known = {run for (run,) in connection.execute("SELECT run_id FROM runs").fetchall()}
    gone = known - on_disk.keys()
    if gone:
        for table in ("runs", "environment", "jobs", "job_parts"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608
        known = set()
    changed, damaged = len(gone), []
    for name in sorted(on_disk.keys() - known):
        fields = runs.read(on_disk[name])
        if fields is None:
            damaged.append(on_disk[name])
        else:
            add_run(connection, name, fields)
            changed += 1
    return changed, damaged


def add_run(connection: duckdb.DuckDBPyConnection, run_id: str, fields: dict[str, Any]) -> None:
    """Insert a run and its jobs; a job planned before keeps its first run and gets a newer last one."""
    spec = json.dumps(fields["spec"], sort_keys=True)
    connection.execute(
        "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?)",
        [run_id, fields["grid"], fields["command"], fields["started"], fields["version"], spec],
    )
    environment = [(run_id, key, value) for key, value in sorted(fields["environment"].items())]
    _insert(connection, "INSERT INTO environment", "run_id, key, value", environment)
    method_fields = {key: json.dumps(value, sort_keys=True) for key, value in fields["method_fields"].items()}
    column_fields = {key: json.dumps(value, sort_keys=True) for key, value in fields["column_fields"].items()}
    own = JOB_COLUMNS.split(", ")[:12]
    _insert(
        connection,
        "INSERT INTO jobs",
        JOB_COLUMNS,
        [
            (
                *(job[name] for name in own),
                method_fields[job["method_key"]],
                column_fields[job["column_key"]],
                *(job["invalid"], run_id, run_id),
            )
            for job in fields["jobs"]
        ],
        "ON CONFLICT (job_id) DO UPDATE SET "
        "invalid = CASE WHEN excluded.last_run > last_run THEN excluded.invalid ELSE invalid END, "
        "first_run = least(first_run, excluded.first_run), last_run = greatest(last_run, excluded.last_run)",
    )
    parts = [(job["job_id"], category, part) for job in fields["jobs"] for category, part in job["parts"]]
    _insert(connection, "INSERT OR REPLACE INTO job_parts", "job_id, category, part_id", parts)


def known_segments(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM segments").fetchall()}


def add_segment(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Insert a segment's records and the metrics of its scores. Returns how many records it held.

    A part that is already done is left alone (its scores are the same bits); one that had failed is
    replaced.
    """
    tasks = path.name.startswith("tasks-")
    # An empty table with all of today's columns, for a segment that was written before some of them.
    connection.register("columns", segments.schema(TaskRecord if tasks else PartRecord).empty_table())
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE records AS FROM columns UNION ALL BY NAME FROM read_parquet(?)",
        [str(path)],
    )
    connection.unregister("columns")
    if tasks:
        connection.execute(
            f"INSERT OR IGNORE INTO tasks BY NAME SELECT {TASK_COLUMNS}, ? AS segment FROM records",  # noqa: S608
            [path.name],
        )
    else:
        _add_parts(connection, path.name)
        _add_maps_and_pixels(connection, path.name)
    connection.execute("INSERT INTO segments VALUES (?, ?)", [path.name, path.stat().st_size])
    ((count,),) = connection.execute("SELECT count(*) FROM records").fetchall()
    return int(count)


def _add_parts(connection: duckdb.DuckDBPyConnection, segment: str) -> None:
    # Which of several records of a part counts must not depend on the order of ingestion: done before
    # failed; of two that are done the first, of two that failed the last.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE fresh AS SELECT * FROM records r WHERE NOT EXISTS ("
        "  SELECT 1 FROM parts p WHERE p.part_id = r.part_id AND CASE WHEN p.status = 'done' "
        "  THEN r.status = 'failed' OR p.ended <= r.ended ELSE r.status = 'failed' AND p.ended >= r.ended END) "
        "QUALIFY row_number() OVER (PARTITION BY part_id "
        "  ORDER BY status = 'done' DESC, CASE WHEN status = 'done' THEN ended ELSE -ended END) = 1"
    )
    for table in ("parts", "prompts", "scores", "metrics"):
        connection.execute(f"DELETE FROM {table} WHERE part_id IN (SELECT part_id FROM fresh)")  # noqa: S608
    connection.execute(
        f"INSERT INTO parts BY NAME SELECT {PART_COLUMNS}, ? AS segment, "  # noqa: S608
        "len(list_filter(labels, lambda x: x = 0)) AS n_normal, "
        "len(list_filter(labels, lambda x: x = 1)) AS n_anomalous FROM fresh",
        [segment],
    )
    connection.execute(
        "INSERT INTO scores SELECT part_id, unnest(sample_ids), unnest(labels), unnest(defects), unnest(scores) "
        "FROM fresh WHERE status = 'done'"
    )
    connection.execute(
        "INSERT INTO prompts SELECT part_id, unnest(range(len(prompts))), unnest(prompts) FROM fresh"
    )
    connection.execute(
        "INSERT INTO failures SELECT part_id, run_id, ?, attempts, error_type, error, traceback, output, ended "
        "FROM records WHERE status = 'failed'",
        [segment],
    )
    _add_metrics(connection)


def _add_metrics(connection: duckdb.DuckDBPyConnection) -> None:
    from gad.harness import metrics

    fresh = connection.sql("SELECT part_id, labels, scores FROM fresh WHERE status = 'done'").to_arrow_table()
    rows: list[tuple[str, str, float]] = []
    for part_id, labels, scores in zip(*(fresh.column(name) for name in fresh.column_names), strict=True):
        result = metrics.summary(labels.values.to_numpy(), scores.values.to_numpy())
        values = result.model_dump(exclude={"n_normal", "n_anomalous"})
        rows += [(part_id.as_py(), name, value) for name, value in values.items() if value is not None]
    _insert(connection, "INSERT OR REPLACE INTO metrics", "part_id, metric, value", rows)


def _add_maps_and_pixels(connection: duckdb.DuckDBPyConnection, segment: str) -> None:
    """Of several records of a part the one with the most maps counts, of equals the first; likewise for pixels.

    Which scores count is another matter: see :func:`_add_parts`.
    """
    connection.execute(
        "INSERT INTO part_maps BY NAME SELECT part_id, ? AS segment, maps_most AS most, maps AS file, ended "
        "FROM records WHERE status = 'done' AND maps_most > 0 "
        "QUALIFY row_number() OVER (PARTITION BY part_id ORDER BY maps_most DESC, ended) = 1 "
        "ON CONFLICT (part_id) DO UPDATE SET segment = excluded.segment, most = excluded.most, "
        "file = excluded.file, ended = excluded.ended "
        "WHERE excluded.most > most OR (excluded.most = most AND excluded.ended < ended)",
        [segment],
    )
    connection.execute(
        "INSERT INTO part_pixels BY NAME SELECT part_id, ? AS segment, pixel_auroc, pixel_auprc, pixel_aupro, "
        "ended FROM records WHERE status = 'done' AND pixel_asked "
        "QUALIFY row_number() OVER (PARTITION BY part_id ORDER BY ended) = 1 "
        "ON CONFLICT (part_id) DO UPDATE SET segment = excluded.segment, pixel_auroc = excluded.pixel_auroc, "
        "pixel_auprc = excluded.pixel_auprc, pixel_aupro = excluded.pixel_aupro, ended = excluded.ended "
        "WHERE excluded.ended < ended",
        [segment],
    )


def drop_segment(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Forget a segment whose file is gone or damaged, with everything that came from it."""
    for table in ("scores", "metrics", "prompts"):
        connection.execute(
            f"DELETE FROM {table} WHERE part_id IN (SELECT part_id FROM parts WHERE segment = ?)",  # noqa: S608
            [name],
        )
    for table in ("parts", "failures", "tasks", "part_maps", "part_pixels"):
        connection.execute(f"DELETE FROM {table} WHERE segment = ?", [name])  # noqa: S608
    connection.execute("DELETE FROM segments WHERE name = ?", [name])


def _insert(
    connection: duckdb.DuckDBPyConnection,
    verb: str,
    columns: str,
    rows: Sequence[tuple[Any, ...]],
    conflict: str = "",
) -> None:
    """Insert many rows at once: through Arrow, a thousand times faster than one statement a row."""
    import pyarrow as pa

    if not rows:
        return
    names = columns.split(", ")
    incoming = pa.table(
        {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
    )
    connection.register("incoming", incoming)
    connection.execute(f"{verb} ({columns}) SELECT {columns} FROM incoming {conflict}")  # noqa: S608
    connection.unregister("incoming")
