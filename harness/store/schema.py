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
       @METRICS@, j.method_key, j.column_key
FROM jobs j JOIN job_parts jp USING (job_id)
LEFT JOIN parts p USING (part_id)
LEFT JOIN (SELECT part_id, arg_max(error, ended) AS error FROM failures GROUP BY part_id) f USING (part_id)
LEFT JOIN (
    SELECT part_id, max(value) FILTER (metric = 'auroc') AS auroc, max(value) FILTER (metric = 'auprc') AS auprc,
           max(value) FILTER (metric = 'f1_max') AS f1_max, max(value) FILTER (metric = 'fpr95') AS fpr95
    FROM metrics GROUP BY part_id) m USING (part_id)
@JOIN@;

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
       @TOTALS@, t.seconds, coalesce(nullif(j.invalid, ''), t.error) AS error,
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
_IMAGE_METRICS = ("auroc", "auprc", "f1_max", "fpr95")
_PIXEL_METRICS = ("pixel_auroc", "pixel_auprc", "pixel_aupro")


def _with_metrics(pixel: tuple[str, ...] = ()) -> str:
    """Fill in the columns that are alike for every metric. A mean over less than all is no mean: NULL."""
    names = (*_IMAGE_METRICS, *pixel)
    job = dataset = ""
    for metric in names:
        job += f"CASE WHEN count({metric}) = count(*) THEN avg({metric} ORDER BY category) END AS {metric},\n"
        for function, name in (("avg", "mean"), ("stddev_samp", "std")):
            value = f"{function}({metric} ORDER BY seed, training_seed)"
            dataset += f"CASE WHEN count({metric}) = n_seeds THEN {value} END AS {metric}_{name},\n"
    columns = [*(f"m.{name}" for name in _IMAGE_METRICS), *(f"x.{name}" for name in pixel)]
    return (
        _VIEWS.replace("@METRICS@", ", ".join(columns))
        .replace("@JOIN@", "LEFT JOIN part_pixels x USING (part_id)" if pixel else "")
        .replace("@JOB@", job)
        .replace("@TOTALS@", ", ".join(f"t.{name}" for name in names))
        .replace("@DATASET@", dataset)
    )


# part_maps and part_pixels are apart from parts, for a part that was done before may be scored again for them:
# its scores stay those of its first record.
_MAPS_AND_COSTS = """
ALTER TABLE parts ADD COLUMN input_seconds DOUBLE;
ALTER TABLE parts ADD COLUMN source VARCHAR;
ALTER TABLE parts ADD COLUMN windowed BOOLEAN;
ALTER TABLE parts ADD COLUMN parameters BIGINT;
ALTER TABLE tasks ADD COLUMN source VARCHAR;
ALTER TABLE tasks ADD COLUMN decode_seconds DOUBLE;
ALTER TABLE tasks ADD COLUMN pass_seconds DOUBLE;
ALTER TABLE tasks ADD COLUMN window_seconds DOUBLE;
CREATE TABLE part_maps (
    part_id VARCHAR PRIMARY KEY, segment VARCHAR, most INTEGER, file VARCHAR, ended DOUBLE);
CREATE TABLE part_pixels (
    part_id VARCHAR PRIMARY KEY, segment VARCHAR, pixel_auroc DOUBLE, pixel_auprc DOUBLE, pixel_aupro DOUBLE,
    ended DOUBLE);
DROP VIEW dataset_results;
DROP VIEW job_results;
DROP VIEW category_results;
"""

# Seconds an image takes. Warm: its features are there. Cold: with decoding and encoding, as the encode tasks
# of that source and dataset took on average; NULL where these results saw none of it (all was in the cache).
_ENCODE_COSTS = """
CREATE VIEW encode_costs AS
SELECT source, dataset, sum(images) AS images,
       sum(decode_seconds) / nullif(sum(images) FILTER (decode_seconds IS NOT NULL), 0) AS decode_seconds,
       sum(pass_seconds) / nullif(sum(images) FILTER (pass_seconds IS NOT NULL), 0) AS pass_seconds,
       sum(window_seconds) / nullif(sum(images) FILTER (window_seconds IS NOT NULL), 0) AS window_seconds
FROM tasks WHERE stage = 'encode' AND source <> '' AND images > 0 GROUP BY source, dataset;
"""
_PART_COSTS = """
CREATE VIEW part_costs AS
SELECT p.part_id, p.model, p.options, p.method_key, p.dataset, p.category, p.shots, p.seed, p.threads,
       p.n_normal + p.n_anomalous AS images, p.parameters, p.peak_memory_mb,
       (p.seconds + p.input_seconds) / nullif(@IMAGES@, 0) AS warm_seconds,
       e.decode_seconds + e.pass_seconds + CASE WHEN p.windowed THEN e.window_seconds ELSE 0 END
           AS encode_seconds,
       warm_seconds + encode_seconds AS cold_seconds
FROM parts p LEFT JOIN encode_costs e ON e.source = p.source AND e.dataset = p.dataset
WHERE p.status = 'done';

CREATE VIEW dataset_costs AS
SELECT model, options, method_key, dataset, shots, count(*) AS n_parts, sum(images)::BIGINT AS images,
       sum(warm_seconds * images) / nullif(sum(images) FILTER (warm_seconds IS NOT NULL), 0) AS warm_seconds,
       sum(cold_seconds * images) / nullif(sum(images) FILTER (cold_seconds IS NOT NULL), 0) AS cold_seconds,
       max(parameters) AS parameters, max(peak_memory_mb) AS peak_memory_mb, max(threads) AS threads
FROM part_costs GROUP BY ALL;
"""
_COSTS = _ENCODE_COSTS + _PART_COSTS.replace("@IMAGES@", "images")
# `images` was not the name given above but the column of encode_costs, which comes first: seconds were divided by
# how many images had been encoded, not by how many the part had scored.
_COSTS_BY_OWN_IMAGES = "DROP VIEW dataset_costs; DROP VIEW part_costs;" + _PART_COSTS.replace(
    "@IMAGES@", "p.n_normal + p.n_anomalous"
)

# Prompts are drawn by a job's seed, training by its training seed. Trainings on the same prompts are no further
# draws of these: a cell's value at one seed is their mean, and its spread and `n_seeds` are over seeds.
_BY_SEED = """
DROP VIEW dataset_results;
CREATE VIEW dataset_results AS
WITH latest AS (
    SELECT method_key, column_key, dataset, shots, max(last_run) AS run FROM jobs GROUP BY ALL),
wanted AS (
    SELECT r.* FROM job_results r JOIN latest l USING (method_key, column_key, dataset, shots)
    WHERE r.status IN ('done', 'failed') OR r.last_run = l.run),
seeds AS (
    SELECT model, options, dataset, protocol, shots, method_key, column_key, test_images, seed,
           bool_and(status = 'done') AS done, bool_or(status = 'failed') AS failed,
@SEED@           max(last_run) AS last_run
    FROM wanted GROUP BY ALL)
SELECT model, options, dataset, protocol, shots, method_key, column_key, test_images,
       count(*) FILTER (done) AS n_seeds, count(*) AS n_planned,
       count(*) FILTER (failed) AS n_failed, bool_and(done) AS complete,
@DATASET@       max(last_run) AS last_run
FROM seeds GROUP BY ALL;
"""


def _by_seed(metrics: tuple[str, ...]) -> str:
    seed = cell = ""
    for metric in metrics:
        seed += f"CASE WHEN count({metric}) = count(*) THEN avg({metric} ORDER BY training_seed) END AS {metric},\n"
        for function, name in (("avg", "mean"), ("stddev_samp", "std")):
            value = f"{function}({metric} ORDER BY seed)"
            cell += f"CASE WHEN count({metric}) = n_seeds THEN {value} END AS {metric}_{name},\n"
    return _BY_SEED.replace("@SEED@", seed).replace("@DATASET@", cell)


VIEWS = _with_metrics()
_HALVED = "ALTER TABLE parts ADD COLUMN halved_batch INTEGER DEFAULT 0;"
MIGRATIONS: tuple[tuple[str, str], ...] = (
    ("0001_tables", TABLES),
    ("0002_views", VIEWS),
    ("0003_maps_and_costs", _MAPS_AND_COSTS + _with_metrics(_PIXEL_METRICS) + _COSTS),
    ("0004_halved_batch", _HALVED),
    ("0005_costs_by_own_images", _COSTS_BY_OWN_IMAGES),
    ("0006_spread_over_prompt_seeds", _by_seed((*_IMAGE_METRICS, *_PIXEL_METRICS))),
)


def migrate(connection: duckdb.DuckDBPyConnection) -> bool:
    """Bring a database up to date, all or nothing; whether anything was to do.

    Raises StoreError for one made by a newer version.
    """
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
    return len(applied) < len(MIGRATIONS)
