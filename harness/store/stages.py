"""What runs spent where, from the records of their tasks: throughput by stage, and what sharing saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gad.harness.store import read
from gad.harness.store.layout import Layout


def throughput(results: Path) -> list[dict[str, Any]]:
    """One row a stage: ``tasks``, ``images``, ``worker_seconds`` and ``images_per_worker_second``.

    Images are those decoded, those put through an encoder (by backbone), those trained on, and (image, part)
    pairs scored. A worker second is one second of one task, whatever else ran at the time.
    """
    if not Layout(results).published.is_file():
        return []
    with read.connect(results) as connection:
        rows = read.query(
            connection,
            "SELECT CASE WHEN stage = 'encode' AND model = '' THEN 'decode' ELSE stage END AS stage, "
            "CASE WHEN stage = 'encode' THEN model ELSE '' END AS backbone, count(*) AS tasks, "
            "sum(images)::BIGINT AS images, sum(ended - started) AS worker_seconds "
            "FROM tasks GROUP BY ALL ORDER BY 1, 2",
        )
    for row in rows:
        spent = row["worker_seconds"]
        row["images_per_worker_second"] = row["images"] / spent if spent > 0 and row["images"] else None
    return rows


def shared(results: Path) -> list[dict[str, Any]]:
    """For each backbone: image passes that the finished parts and trainings would have made one by one
    (``wanted``: a part shows its prompts and tests to the encoder, a training its auxiliary set), and passes
    that were recorded here (``made``)."""
    if not Layout(results).published.is_file():
        return []
    with read.connect(results) as connection:
        parts = connection.execute(
            "SELECT any_value(j.method_fields), any_value(p.n_normal + p.n_anomalous + p.shots) FROM parts p "
            "JOIN job_parts USING (part_id) JOIN jobs j USING (job_id) WHERE p.status = 'done' GROUP BY part_id"
        ).fetchall()
        tasks = connection.execute(
            "SELECT stage, model, sum(images) FROM tasks WHERE stage IN ('encode', 'train') GROUP BY ALL"
        ).fetchall()
    wanted: dict[str, int] = {}
    backbone_of: dict[str, str] = {}
    for text, images in parts:
        fields = json.loads(text)
        if (fields.get("input") or {}).get("kind") == "features":
            backbone = backbone_of[fields["model"]] = fields["input"]["backbone"]
            wanted[backbone] = wanted.get(backbone, 0) + images
    made = {model: int(images) for stage, model, images in tasks if stage == "encode"}
    for stage, model, images in tasks:
        if stage == "train" and model in backbone_of:
            wanted[backbone_of[model]] += int(images)
    return [
        {"backbone": name, "wanted": count, "made": made.get(name, 0), "saved": count - made.get(name, 0)}
        for name, count in sorted(wanted.items())
    ]
