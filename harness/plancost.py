"""What a plan costs, counted from manifests; images are opened (their headers read) for tiles alone."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gad.harness import manifest, prompts, tiles
from gad.harness.nouns import Sample
from gad.harness.plan import Plan, Source
from gad.harness.units import shown_in_training, source_of


@dataclass
class Asked:
    """What new parts of one dataset want of one source: inputs, and the prompts' ids by category."""

    inputs: list[dict[str, Any]] = field(default_factory=list)
    categories: dict[str, set[str]] = field(default_factory=dict)


def wanted_images(plan: Plan) -> dict[tuple[str, str], Asked]:
    """By (dataset, source), what the new parts want, and those that wait for missing data."""
    wanted: dict[tuple[str, str], Asked] = {}
    counted = [(job, part) for job, part in plan.parts() if plan.states[part.part_id] == "new"]
    counted += [(waiting, part) for waiting in plan.waiting() for part in waiting.parts]
    for job, part in counted:
        seen = plan.method_fields[job.method_key]["input"]
        if seen is not None:  # None: its encoder is not there, so what it would see is not known
            asked = wanted.setdefault((job.dataset, source_of(seen)), Asked())
            asked.categories.setdefault(part.category, set()).update(part.prompts)
            if seen not in asked.inputs:
                asked.inputs.append(seen)
    return wanted


def encode_images(plan: Plan, cache: Path) -> int:
    """How many distinct (image, input) pairs the new parts need, and those that wait for missing data; with the
    auxiliary sets of the trainings that the cache does not hold, where these are prepared."""
    return sum(images_by_backbone(plan, cache).values())


def images_by_backbone(plan: Plan, cache: Path) -> dict[str, int]:
    """The same by the backbone that they meet; "" where they are only decoded."""
    digests: dict[str, set[str]] = {}  # an image that several datasets have meets an encoder once
    counted: dict[str, int] = {}
    for (name, source), asked in wanted_images(plan).items():
        tiled = asked.inputs[0].get("resize") == "tile"
        images = distinct(plan, plan.sources[name], asked.categories, tiled=tiled)
        if isinstance(images, int):
            counted[source] = counted.get(source, 0) + images
        else:
            digests.setdefault(source, set()).update(images)
    for training in map(plan.trainings.__getitem__, named_trainings(plan, cache)):
        prepared = plan.auxiliary[training.auxiliary].prepared
        wanted = plan.method_fields[training.method_key]["input"]
        if prepared is not None and wanted is not None:
            samples = shown_in_training(manifest.read_samples(prepared), training.trains_on)
            digests.setdefault(source_of(wanted), set()).update(sample.digest for sample in samples)
    found: dict[str, int] = {}
    for source in {**digests, **counted}:
        backbone = json.loads(source).get("backbone", "")
        count = len(digests.get(source, ())) + counted.get(source, 0)
        found[backbone] = found.get(backbone, 0) + count
    return found


def named_trainings(plan: Plan, cache: Path) -> list[str]:
    """Ids of the trainings that the new parts need and the cache does not hold."""
    named = {
        part.training: None
        for _, part in plan.parts()
        if plan.states[part.part_id] == "new"
        and part.training
        and not plan.trainings[part.training].checkpoint
    }
    return [name for name in named if not (cache / "trainings" / name / "training.json").is_file()]


def trainings_left(plan: Plan, cache: Path) -> int:
    """How many trainings the new parts need that the cache does not hold."""
    return sum(trainings_by_model(plan, cache).values())


def trainings_by_model(plan: Plan, cache: Path) -> dict[str, int]:
    """The same by model.

    Of data that are not prepared yet no training can be named: each (method, set, K, seed) counts as one.
    """
    left = [plan.trainings[name].model.name for name in named_trainings(plan, cache)]
    unnamed = {
        (
            job.model.name,
            job.method_key,
            plan.needed_by(job)[-1],
            0 if plan.method_fields[job.method_key].get("one_training") else job.shots,
            job.training_seed,
        )
        for job in [*(job for job in plan.jobs if not job.invalid), *plan.waiting()]
        if job.training_seed is not None and not job.model.checkpoint and not job.column_key
    }
    return dict(Counter([*left, *(model for model, *_ in unnamed)]))


def distinct(
    plan: Plan, source: Source, categories: dict[str, set[str]], *, tests: bool = True, tiled: bool = False
) -> set[str] | int:
    """Digests of the distinct images among the prompts of some categories of one dataset and, unless they
    are left aside, its ``tests``; only their number where the dataset is not prepared. ``tiled``: of their tiles."""
    if source.prepared is None:
        return _by_card(plan, source, categories, tests)
    samples: list[Sample] = []
    for (dataset, category, _), drawn in plan.prompt_sets.items():
        if dataset == source.name and category in categories:
            samples += [sample for sample in drawn.samples if sample.id in categories[category]]
    whole: set[str] = set()
    if tests and not tiled and plan.grid.limits.test_images is None:
        whole = manifest.test_digests(source.prepared, list(categories))
    elif tests:
        for name in categories:
            found = manifest.read_samples(source.prepared, category=name, split="test")
            samples += prompts.limit_tests(source.name, name, found, plan.grid.limits.test_images)
    seen = tiles.shown(samples, tiles.find(samples, source.prepared.root_path)) if tiled else samples
    return whole | {sample.digest for sample in seen}


def _by_card(plan: Plan, source: Source, categories: dict[str, set[str]], tests: bool) -> int:
    """The card's counts, and the most prompts that the grid can draw."""
    limit = plan.grid.limits.test_images or sys.maxsize
    most = max(plan.grid.shots) * max(1, len(plan.grid.seeds))
    known = [c for c in source.categories if c.category in categories]
    drawn = sum(min(most, c.train_normal) for c in known)
    if not tests:
        return drawn
    counts = [min(c.test_normal + c.test_anomalous, limit) for c in known]
    # One class against all: the same test images in every category.
    return drawn + (max(counts, default=0) if source.protocol == "one-vs-all" else sum(counts))
