"""A results folder of any size, generated: for measuring pages, not methods. Every score is a random number.

python benchmarks/pages_store.py FOLDER --jobs 5000 --scores 3000
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gad.harness import atomic
from gad.harness.store import database
from gad.harness.store.layout import Layout

SHOTS, SEEDS, PARTS = (2, 4, 8), (0, 1, 2), 5
DATASETS = {
    "industrial": ("mvtec", "visa", "aitex", "elpv", "sdd"),
    "medical": ("brainmri", "headct"),
    "one-vs-all": ("mnist-one-vs-all", "cifar10-one-vs-all"),
    "multi-class": ("mnist-multi-class", "cifar10-multi-class"),
}

# The first models are variants of one, so that there is an ablation.
VARIANTS = ("TPI", "TP", "TI", "PI", "T", "P", "I")
JOBS = """
INSERT INTO jobs
WITH datasets AS (SELECT * FROM (VALUES {datasets}) d(dataset, protocol, place)),
models AS (
    SELECT i, if(variant IS NULL, 'model-' || i, 'inctrl') AS name,
           coalesce('{{"components": "' || variant || '", "residual": "subtract"}}', '{{}}') AS options
    FROM range({models}) m(i) LEFT JOIN (
        SELECT unnest({variants}) AS variant, generate_subscripts({variants}, 1) - 1 AS i) USING (i)),
cells AS (
    SELECT i, name, options, dataset, protocol, place, shots, seed
    FROM models, datasets, unnest({shots}) s(shots), unnest({seeds}) t(seed)
    ORDER BY i, place, shots, seed LIMIT {jobs})
SELECT md5('job' || i || dataset || shots || seed)[:20], name || '/' || dataset || '/K' || shots || '/seed' || seed,
       name, options, dataset, protocol, shots, seed, NULL, NULL, md5('method' || i)[:20],
       md5('column' || dataset)[:20], '{{}}', '{{}}', '', 'run-' || i, 'run-' || i
FROM cells
"""
PARTS_SQL = """
INSERT INTO job_parts SELECT job_id, 'category-' || c, md5(job_id || c)[:20] FROM jobs, range({parts}) p(c);
INSERT INTO parts BY NAME
SELECT part_id, 'done' AS status, j.last_run AS run_id, 's' AS segment, j.dataset, category, j.model, j.options, shots,
       seed, method_key, {per_part} // 3 AS n_normal, {per_part} - {per_part} // 3 AS n_anomalous, 1 AS attempts,
       1.0 AS started, 2.0 AS ended, 0.5 AS seconds, 100.0 AS peak_memory_mb
FROM jobs j JOIN job_parts USING (job_id);
INSERT INTO metrics
SELECT part_id, metric, 0.5 + 0.4 * random() FROM parts, unnest(['auroc', 'auprc', 'f1_max', 'fpr95']) m(metric);
INSERT INTO scores
SELECT part_id, category || '/test/' || i || '.png', (i >= {per_part} // 3)::TINYINT, '',
       random() + 0.3 * (i >= {per_part} // 3)::INT
FROM parts, range({per_part}) r(i);
INSERT INTO runs SELECT DISTINCT last_run, 'generated', 'harness submit --grid generated', 1.0, '0', '{{}}' FROM jobs;
"""


def make(results: Path, jobs: int, scores_per_job: int) -> int:
    """Fill ``results`` with ``jobs`` finished jobs. Returns how many scores they hold."""
    layout = Layout(results)
    layout.make()
    connection = database.open_private(layout)
    listed = [(name, protocol) for protocol, names in DATASETS.items() for name in names]
    datasets = ", ".join(f"('{name}', '{protocol}', {i})" for i, (name, protocol) in enumerate(listed))
    per_model = len(listed) * len(SHOTS) * len(SEEDS)
    fields = {"shots": list(SHOTS), "seeds": list(SEEDS), "jobs": jobs, "models": -(-jobs // per_model)}
    fields["variants"] = list(VARIANTS)
    connection.execute(JOBS.format(datasets=datasets, **fields))
    connection.execute(PARTS_SQL.format(parts=PARTS, per_part=scores_per_job // PARTS))
    database.make_aggregates(connection)
    database.new_generation(connection)
    ((count,),) = connection.execute("SELECT count(*) FROM scores").fetchall()
    connection.execute("CHECKPOINT")
    connection.close()
    atomic.copy_file(layout.private, layout.published)
    return int(count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--scores", type=int, default=3000, help="of each job")
    given = parser.parse_args()
    print(f"{make(given.folder, given.jobs, given.scores):,} scores")
