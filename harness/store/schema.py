"""The database's schema as an append-only list of named migrations, and the views readers use.

Never edit a migration that has shipped: add one. A database made by a newer version is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gad.harness.errors import StoreError

if TYPE_CHECKING:
    import duckdb

TABLES = """
CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR);
CREATE TABLE segments (name VARCHAR PRIMARY KEY, bytes BIGINT);
CREATE TABLE runs (
    run_id VARCHAR PRIMARY KEY, grid VARCHAR, command VARCHAR, started DOUBLE, version VARCHAR, spec VARCHAR);
CREATE TABLE environment (run_id VARCHAR, key VARCHAR, value VARCHAR);
CREATE TABLE jobs (
    job_id VARCHAR PRIMARY KEY, name VARCHAR, model VARCHAR, options VARCHAR, dataset VARCHAR,
    protocol VARCHAR, shots INTEGER, seed INTEGER, training_seed INTEGER, test_images INTEGER,
    method_key VARCHAR, column_key VARCHAR, method_fields VARCHAR, column_fields VARCHAR,
    invalid VARCHAR, first_run VARCHAR, last_run VARCHAR);
CREATE TABLE job_parts (job_id VARCHAR, category VARCHAR, part_id VARCHAR, PRIMARY KEY (job_id, category));
CREATE TABLE parts (
    part_id VARCHAR PRIMARY KEY, status VARCHAR, run_id VARCHAR, segment VARCHAR, dataset VARCHAR,
    category VARCHAR, model VARCHAR, options VARCHAR, shots INTEGER, seed INTEGER, training_seed INTEGER,
    method_key VARCHAR, n_normal INTEGER, n_anomalous INTEGER, attempts INTEGER, node VARCHAR, pid BIGINT,
    threads INTEGER, peak_memory_mb DOUBLE, started DOUBLE, ended DOUBLE, seconds DOUBLE);
CREATE TABLE metrics (part_id VARCHAR, metric VARCHAR, value DOUBLE, PRIMARY KEY (part_id, metric));
CREATE TABLE scores (part_id VARCHAR, sample_id VARCHAR, label TINYINT, defect VARCHAR, score DOUBLE);
CREATE TABLE prompts (part_id VARCHAR, position INTEGER, sample_id VARCHAR);
CREATE TABLE failures (
    part_id VARCHAR, run_id VARCHAR, segment VARCHAR, attempts INTEGER, error_type VARCHAR, error VARCHAR,
    traceback VARCHAR, output VARCHAR, ended DOUBLE);
CREATE TABLE tasks (
    task_id VARCHAR PRIMARY KEY, run_id VARCHAR, segment VARCHAR, stage VARCHAR, dataset VARCHAR,
    category VARCHAR, model VARCHAR, node VARCHAR, node_ip VARCHAR, pid BIGINT, driver_pid BIGINT,
    started DOUBLE, ended DOUBLE, images INTEGER, parts INTEGER);
"""

# A job's status as the files tell it; "running" is added by readers, who know which runs are alive.
# Sums of floats depend on their order, so every mean names one: the same files give the same bits.
# A cell (method, dataset, column, K) is complete when every job that the grid of its latest run asked for
# is done, and none has failed.
_VIEWS = """
CREATE VIEW category_results AS
SELECT j.job_id, j.model, j.options, j.dataset, j.shots, j.seed, j.training_seed, jp.category, jp.part_id,
       coalesce(p.status, CASE WHEN j.invalid <> '' THEN 'skipped' ELSE 'planned' END) AS status,
       p.n_normal, p.n_anomalous, p.seconds, p.attempts,
       CASE WHEN p.status = 'failed' THEN f.error END AS error,
       m.auroc, m.auprc, m.f1_max, m.fpr95, j.method_key, j.column_key
FROM jobs j JOIN job_parts jp USING (job_id)
LEFT JOIN parts p USING (part_id)
LEFT JOIN (SELECT part_id, arg_max(error, ended) AS error FROM failures GROUP BY part_id) f USING (part_id)
LEFT JOIN (
    SELECT part_id, max(value) FILTER (metric = 'auroc') AS auroc, max(value) FILTER (metric = 'auprc') AS auprc,
           max(value) FILTER (metric = 'f1_max') AS f1_max, max(value) FILTER (metric = 'fpr95') AS fpr95
    FROM metrics GROUP BY part_id) m USING (part_id);

CREATE VIEW job_results AS
WITH totals AS (
    SELECT job_id, count(*) AS n_parts, count(*) FILTER (status = 'done') AS n_done,
           count(*) FILTER (status = 'failed') AS n_failed,
           min(category || ': ' || error) FILTER (status = 'failed') AS error,
@JOB@ sum(seconds ORDER BY category) AS seconds
    FROM category_results GROUP BY job_id)
SELECT j.job_id, j.name, j.model, j.options, j.dataset, j.protocol, j.shots, j.seed, j.training_seed,
       CASE WHEN j.invalid <> '' THEN 'skipped' WHEN t.n_done = t.n_parts THEN 'done'
            WHEN t.n_failed > 0 THEN 'failed' ELSE 'planned' END AS status,
       t.auroc, t.auprc, t.f1_max, t.fpr95, t.seconds, coalesce(nullif(j.invalid, ''), t.error) AS error,
       coalesce(t.n_parts, 0) AS n_parts, coalesce(t.n_done, 0) AS n_done, coalesce(t.n_failed, 0) AS n_failed,
       j.test_images, j.method_key, j.column_key, j.last_run
FROM jobs j LEFT JOIN totals t USING (job_id);

CREATE VIEW dataset_results AS
WITH latest AS (
    SELECT method_key, column_key, dataset, shots, max(last_run) AS run FROM jobs GROUP BY ALL),
wanted AS (
    SELECT r.* FROM job_results r JOIN latest l USING (method_key, column_key, dataset, shots)
    WHERE r.status IN ('done', 'failed') OR r.last_run = l.run)
SELECT model, options, dataset, protocol, shots, method_key, column_key, test_images,
       count(*) FILTER (status = 'done') AS n_seeds, count(*) AS n_planned,
       count(*) FILTER (status = 'failed') AS n_failed, bool_and(status = 'done') AS complete,
@DATASET@       max(last_run) AS last_run
FROM wanted GROUP BY ALL;
"""


def _with_metrics(views: str) -> str:
    """Fill in the columns that are alike for every metric. A mean over less than all is no mean: NULL."""
    job = dataset = ""
    for metric in ("auroc", "auprc", "f1_max", "fpr95"):
        job += f"CASE WHEN count({metric}) = count(*) THEN avg({metric} ORDER BY category) END AS {metric},\n"
        for function, name in (("avg", "mean"), ("stddev_samp", "std")):
            value = f"{function}({metric} ORDER BY seed, training_seed)"
            dataset += f"CASE WHEN count({metric}) = n_seeds THEN {value} END AS {metric}_{name},\n"
    return views.replace("@JOB@", job).replace("@DATASET@", dataset)


VIEWS = _with_metrics(_VIEWS)
MIGRATIONS: tuple[tuple[str, str], ...] = (("0001_tables", TABLES), ("0002_views", VIEWS))


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring a database up to date, all or nothing. Raises StoreError for one made by a newer version."""
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (name VARCHAR PRIMARY KEY, applied TIMESTAMP)")
    applied = {name for (name,) in connection.execute("SELECT name FROM migrations").fetchall()}
    unknown = applied - {name for name, _ in MIGRATIONS}
    if unknown:
        raise StoreError(
            f"the database was made by a newer version of the harness (it has {sorted(unknown)})",
            fix="Update the package, or rebuild the database with `harness db rebuild`.",
        )
    for name, statements in MIGRATIONS:
        if name not in applied:
            connection.execute("BEGIN")
            connection.execute(statements)
            connection.execute("INSERT INTO migrations VALUES (?, now()::TIMESTAMP)", [name])
            connection.execute("COMMIT")
