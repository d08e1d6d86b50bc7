"""What a plan costs, counted from manifests without opening an image."""

from __future__ import annotations

from pathlib import Path

from gad.harness import manifest, prompts
from gad.harness.plan import Plan, Source
from gad.harness.units import source_of


def encode_images(plan: Plan) -> int:
    """How many distinct (image, input) pairs the new parts need."""
    wanted: dict[tuple[str, str], dict[str, set[str]]] = {}
    for job, part in plan.parts():
        if plan.states[part.part_id] == "new":
            key = (job.dataset, source_of(plan.method_fields[job.method_key]["input"]))
            wanted.setdefault(key, {}).setdefault(part.category, set()).update(part.prompts)
    return sum(_distinct(plan, plan.sources[name], categories) for (name, _), categories in wanted.items())


def trainings_left(plan: Plan, cache: Path) -> int:
    """How many trainings the new parts need that the cache does not hold.

    Of data that are not prepared yet no training can be named: each (method, set, K, seed) counts as one.
    """
    named = {
        part.training for _, part in plan.parts() if plan.states[part.part_id] == "new" and part.training
    }
    left = sum(not (cache / "trainings" / name / "training.json").is_file() for name in named)
    unnamed = {
        (job.method_key, plan.grid.auxiliary.get(job.dataset, "default"), job.shots, job.training_seed)
        for job in plan.jobs
        if job.training_seed is not None and not job.invalid and not job.column_key
    }
    return left + len(unnamed)


def _distinct(plan: Plan, source: Source, categories: dict[str, set[str]]) -> int:
    """Distinct images among the test samples and prompts of some categories of one dataset."""
    if source.prepared is None:
        # Not prepared: the card's counts, and the most prompts that the grid can draw.
        most = max(plan.grid.shots) * len(plan.grid.seeds)
        return sum(
            c.test_normal + c.test_anomalous + min(most, c.train_normal)
            for c in source.categories
            if c.category in categories
        )
    if plan.grid.limits.test_images is None:
        digests = manifest.test_digests(source.prepared, list(categories))
    else:
        digests = set()
        for name in categories:
            found = manifest.read_samples(source.prepared, category=name, split="test")
            kept = prompts.limit_tests(source.name, name, found, plan.grid.limits.test_images)
            digests.update(sample.digest for sample in kept)
    for (dataset, category, _), drawn in plan.prompt_sets.items():
        if dataset == source.name and category in categories:
            digests.update(sample.digest for sample in drawn.samples if sample.id in categories[category])
    return len(digests)
