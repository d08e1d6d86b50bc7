"""Reading results: short queries over the published database, as plain lists of dicts.

Light (duckdb only): the command line and the leaderboard both read through here, so they cannot differ.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gad.harness.errors import StoreError
from gad.harness.store import live, schema
from gad.harness.store.layout import Layout

if TYPE_CHECKING:
    import duckdb

By = Literal["dataset", "category", "job"]

COLUMNS: dict[By, str] = {
    "dataset": "model, options, dataset, protocol, shots, n_seeds, n_planned, n_failed, complete, "
    "auroc_mean, auroc_std, auprc_mean, auprc_std, f1_max_mean, f1_max_std, fpr95_mean, fpr95_std, "
    "pixel_auroc_mean, pixel_auroc_std, pixel_auprc_mean, pixel_auprc_std, pixel_aupro_mean, pixel_aupro_std, "
    "test_images, method_key, column_key, last_run, transductive",
    "job": "job_id, model, options, dataset, protocol, shots, seed, training_seed, status, auroc, auprc, "
    "f1_max, fpr95, pixel_auroc, pixel_auprc, pixel_aupro, seconds, error, n_parts, n_done, n_failed, "
    "test_images, method_key, column_key, last_run, transductive",
    "category": "job_id, model, options, dataset, shots, seed, training_seed, category, status, n_normal, "
    "n_anomalous, auroc, auprc, f1_max, fpr95, pixel_auroc, pixel_auprc, pixel_aupro, "
    "seconds, error, part_id, method_key, column_key, transductive",
}
# What was added up when results were recorded, and the view that says the same where it was not.
TABLE: dict[By, str] = {"dataset": "dataset_cells", "job": "job_cells", "category": "category_cells"}
# Whether the method looks at the whole test split, as its key says.
_TRANSDUCTIVE = "SELECT method_key FROM jobs WHERE method_fields->>'transductive' = 'true'"
MARKS = ("generated", "note", "setting")  # of every row, beside its columns
VIEW: dict[By, str] = {"dataset": "dataset_results", "job": "job_results", "category": "category_results"}
ORDER: dict[By, str] = {
    "dataset": "model, options, dataset, shots, last_run",
    "job": "model, options, dataset, shots, seed, training_seed, last_run",
    "category": "model, options, dataset, shots, seed, training_seed, category",
}


@contextmanager
def connect(results: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published database read-only. Raises StoreError when there is none or it is damaged."""
    import duckdb

    path = Layout(results).published
    if not path.is_file():
        hint = (
            f"{rebuild(results)} makes it from the files."
            if has_files(results)
            else "Run `harness submit` first."
        )
        raise StoreError(f"no results database at {path}", fix=hint)
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise StoreError(
            f"{path} cannot be opened: {error}", fix=f"{rebuild(results)} makes it again from the files."
        ) from error
    try:
        _of_today(connection, path)
        yield connection
    except duckdb.Error as error:  # blocks are checked only when a query reads them
        raise StoreError(
            f"{path} cannot be read: {error}", fix=f"{rebuild(results)} makes it again from the files."
        ) from error
    finally:
        connection.close()


def rebuild(results: Path) -> str:
    """The command that makes a folder's database anew: without the folder it would be that of another."""
    return f"`harness db rebuild --results {shlex.quote(str(results))}`"


def _of_today(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raises StoreError for a database that lacks tables or columns of this version."""
    found = {name for (name,) in connection.execute("SELECT name FROM migrations").fetchall()}
    if any(name not in found for name, _ in schema.MIGRATIONS):
        raise StoreError(
            f"{path} was made by an older version of the harness",
            fix=f"{rebuild(path.parent)} brings it up to date, and so does the next `harness submit`.",
        )


def has_files(results: Path) -> bool:
    """Whether the folder holds results that a database can be built from."""
    layout = Layout(results)
    return any(layout.segments.glob("*.parquet")) or any(layout.runs.glob("*.json"))


def query(
    connection: duckdb.DuckDBPyConnection, sql: str, values: list[Any] | None = None
) -> list[dict[str, Any]]:
    """Rows of a parametrised query as dicts."""
    cursor = connection.execute(sql, values or [])
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def has_table(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether the database holds a table: one published by an earlier version may lack it."""
    found = connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [name]).fetchone()
    return found is not None


def source(connection: duckdb.DuckDBPyConnection, by: By) -> str:
    """Where to read one level of results from."""
    return TABLE[by] if has_table(connection, TABLE[by]) else VIEW[by]


def results(results_folder: Path, by: By = "dataset") -> list[dict[str, Any]]:
    """All results at one level, with "running" told from "planned".

    A folder without results, or whose first run has only just begun, gives an empty list.
    """
    if not Layout(results_folder).published.is_file() and (
        not has_files(results_folder) or any(run["alive"] for run in live.read_all(results_folder))
    ):
        return []
    with connect(results_folder) as connection:
        found = source(connection, by)
        marked = f"SELECT *, method_key IN ({_TRANSDUCTIVE}) AS transductive FROM {found}"  # noqa: S608
        rows = query(connection, f"SELECT {COLUMNS[by]} FROM ({marked}) ORDER BY {ORDER[by]}")  # noqa: S608
        marks = _marks(connection)
    for row in rows:
        row.update(marks[row["method_key"]])  # every row is of a job
    if by != "dataset":
        running = live.running_jobs(results_folder)
        for row in rows:
            if row["status"] == "planned" and row["job_id"] in running:
                row["status"] = "running"
    return rows


def halved(results_folder: Path) -> list[dict[str, Any]]:
    """Parts that ran out of memory and were scored with a smaller batch, by job, with that batch size."""
    if not Layout(results_folder).published.is_file():
        return []
    with connect(results_folder) as connection:
        return query(
            connection,
            "SELECT j.job_id, j.name, j.method_key, p.category, p.halved_batch FROM parts p "
            "JOIN job_parts USING (part_id) JOIN jobs j USING (job_id) "
            "WHERE p.status = 'done' AND p.halved_batch > 0 ORDER BY j.name, p.category",
        )


def _marks(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """What has to be said of a method wherever its numbers stand, by method key.

    ``generated``: its encoder's weights were drawn from a seed, so its results are not to be ranked.
    ``note``: that, and what K counts if not prompts, in words; or empty. ``setting``: what a grid, beside the
    model's options, made the method of, as JSON.
    """
    found = {}
    rows = connection.execute("SELECT DISTINCT method_key, method_fields FROM jobs").fetchall()
    for key, text in rows:
        fields = json.loads(text) or {}
        notes = [
            "generated weights" if fields.get("generated") else "",
            "K counts auxiliary images" if fields.get("shots_count") == "auxiliary" else "",
        ]
        found[key] = {
            "generated": bool(fields.get("generated")),
            "note": ", ".join(filter(None, notes)),
            "setting": json.dumps(_setting(fields), sort_keys=True),
        }
    return found


def _setting(fields: dict[str, Any]) -> dict[str, str]:
    """A grid's choices that are part of a method key: how encoders see images, and what a method is trained on."""
    wanted, rule, found = fields.get("input") or {}, fields.get("auxiliary") or {}, {}
    if wanted.get("kind") == "features":  # the defaults are in no key
        found = {"precision": wanted.get("precision", "fp32"), "resize": wanted.get("resize", "crop")}
    if rule:
        others = [f"{source} for {target}" for target, source in rule.items() if target != "default"]
        found["trained on"] = ", ".join([*filter(None, [rule.get("default")]), *others])
    return found


def costs(results_folder: Path) -> list[dict[str, Any]]:
    """What each method costs on each dataset, by K: seconds an image (``warm_seconds``: its features are
    there; ``cold_seconds``: with decoding and encoding, None where that was not seen), ``parameters``,
    ``peak_memory_mb``, ``threads``, and how many parts and images that is taken from. Marked as :func:`results`."""
    with connect(results_folder) as connection:
        found = "cost_cells" if has_table(connection, "cost_cells") else "dataset_costs"
        rows = query(connection, f"FROM {found} ORDER BY model, options, dataset, shots, method_key")
        marks = _marks(connection)
    # A method is known from the runs that had it; of one whose run file was lost, the options are not.
    return [{**row, **marks[row["method_key"]]} for row in rows if row["method_key"] in marks]


def failures(results_folder: Path) -> list[dict[str, Any]]:
    """Failed parts that have not succeeded since, newest first, with traceback and last output."""
    with connect(results_folder) as connection:
        return query(
            connection,
            "SELECT f.*, p.model, p.options, p.dataset, p.category, p.shots, p.seed FROM failures f "
            "JOIN parts p USING (part_id) WHERE p.status = 'failed' ORDER BY f.ended DESC",
        )
