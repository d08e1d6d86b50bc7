"""How long a plan takes, from rates that earlier runs recorded or that were measured just now.

Times are worker seconds: seconds of one task on one core, whatever else runs. What has no rate is named and
not guessed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gad.harness.nouns import Frozen, Job
from gad.harness.plan import Plan
from gad.harness.plancost import images_by_backbone, trainings_by_model
from gad.harness.store import read
from gad.harness.store.layout import Layout
from gad.harness.units import ENCODERS_PER_GPU


class Rates(Frozen):
    """Worker seconds for an image: ``encode`` by backbone ("" where images are only decoded), ``method`` and
    ``model`` for scoring, by method key and by model. ``train``: of one training, by model. ``device``: of encoders."""

    origin: Literal["recorded", "measured"]
    device: str = "cpu"
    encode: dict[str, float] = Field(default_factory=dict)
    method: dict[str, float] = Field(default_factory=dict)
    model: dict[str, float] = Field(default_factory=dict)
    train: dict[str, float] = Field(default_factory=dict)


class Estimate(Frozen):
    """Worker seconds by stage, and ``hours`` on so many ``workers`` at once.

    ``unknown`` names what no rate is known of: it is not in the sums. ``gpu_hours``: hours for which GPUs are
    held, which is 0 where encoders run on CPUs.
    """

    origin: Literal["recorded", "measured"]
    encode_seconds: float
    train_seconds: float
    score_seconds: float
    workers: int
    hours: float
    gpu_hours: float = 0.0
    unknown: tuple[str, ...] = ()


def recorded(results: Path) -> Rates:
    """What the runs in a results folder took. Empty where nothing was run.

    An image in tiles counts as one where times are recorded, and as several where they are estimated: runs with
    `resize: tile` say nothing of how long an encoder takes.
    """
    if not Layout(results).published.is_file():
        return Rates(origin="recorded")
    with read.connect(results) as connection:
        encode = connection.execute(
            "SELECT model, sum(ended - t.started) / sum(images) FROM tasks t LEFT JOIN runs r USING (run_id) "
            "WHERE stage = 'encode' AND coalesce(r.spec->>'$.resize', 'crop') <> 'tile' "
            "GROUP BY model HAVING sum(images) > 0 AND sum(ended - t.started) > 0"
        ).fetchall()
        train = connection.execute(
            "SELECT model, median(ended - started) FROM tasks WHERE stage = 'train' AND images > 0 GROUP BY model"
        ).fetchall()
        parts = connection.execute(
            "SELECT method_key, model, sum(seconds), sum(n_normal + n_anomalous) FROM parts "
            "WHERE status = 'done' GROUP BY ALL"
        ).fetchall()
        # A scoring task also reads what its parts are given and starts processes.
        (spent,) = connection.execute(
            "SELECT sum(ended - started) FROM tasks WHERE stage = 'score'"
        ).fetchone() or (None,)
        device = connection.execute(
            "SELECT arg_max(value, run_id) FROM environment WHERE key = 'device'"
        ).fetchone()
    scoring = sum(seconds for *_, seconds, _ in parts)
    factor = max(1.0, spent / scoring) if spent and scoring else 1.0
    by_model: dict[str, tuple[float, int]] = {}
    for _, model, seconds, images in parts:
        before = by_model.get(model, (0.0, 0))
        by_model[model] = (before[0] + seconds, before[1] + images)
    return Rates(
        origin="recorded",
        device=(device and device[0]) or "cpu",
        encode=dict(encode),
        train=dict(train),
        method={key: factor * seconds / images for key, _, seconds, images in parts if images},
        model={name: factor * seconds / images for name, (seconds, images) in by_model.items() if images},
    )


def estimate(plan: Plan, rates: Rates, cache: Path, workers: int) -> Estimate:
    """What the new parts of a plan take. Images that the cache holds already are counted, too."""
    unknown: dict[str, None] = {}

    def cost(count: float, rate: float | None, what: str) -> float:
        if count and rate is None:
            unknown[what] = None
        return count * (rate or 0.0)

    encode = sum(
        cost(images, rates.encode.get(name), f"encoding with {name}" if name else "decoding images")
        for name, images in images_by_backbone(plan, cache).items()
    )
    train = sum(
        cost(count, rates.train.get(name), f"training {name}")
        for name, count in trainings_by_model(plan, cache).items()
    )
    score = 0.0
    for job, images in scored_images(plan):
        name = plan.method_fields[job.method_key]["model"]
        rate = rates.method.get(job.method_key, rates.model.get(name))
        score += cost(images, rate, f"scoring with {name}")
    return Estimate(
        origin=rates.origin,
        encode_seconds=encode,
        train_seconds=train,
        score_seconds=score,
        workers=workers,
        hours=(encode + train + score) / workers / 3600,
        gpu_hours=encode / ENCODERS_PER_GPU / 3600 if rates.device == "cuda" else 0.0,
        unknown=tuple(unknown),
    )


def scored_images(plan: Plan) -> list[tuple[Job, int]]:
    """Every new part's job, and how many test images it has."""
    limit = plan.grid.limits.test_images
    counts = {
        (source.name, c.category): c.test_normal + c.test_anomalous
        for source in plan.sources.values()
        for c in source.categories
    }
    found = []
    for job, part in plan.parts():
        if plan.states[part.part_id] == "new":
            images = counts.get((job.dataset, part.category), 0)
            found.append((job, images if limit is None else min(limit, images)))
    return found


def spelled(seconds: float) -> str:
    """A duration for people.

    >>> spelled(89), spelled(600), spelled(9000)
    ('89 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
