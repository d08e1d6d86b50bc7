"""What a plan costs, counted from manifests without opening an image."""

from __future__ import annotations

from gad.harness import manifest, prompts
from gad.harness.ids import canonical
from gad.harness.plan import Plan, Source


def encode_images(plan: Plan) -> int:
    """How many distinct (image, input) pairs the new parts need."""
    wanted: dict[tuple[str, bytes], dict[str, set[str]]] = {}
    for job, part in plan.parts():
        if plan.states[part.part_id] == "new":
            key = (job.dataset, canonical(plan.method_fields[job.method_key]["input"]))
            wanted.setdefault(key, {}).setdefault(part.category, set()).update(part.prompts)
    return sum(_distinct(plan, plan.sources[name], categories) for (name, _), categories in wanted.items())


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
    digests: set[str] = set()
    tests: dict[str, list[manifest.Sample]] = {}
    for sample in manifest.read_samples(source.prepared):
        if sample.category not in categories:
            continue
        if sample.split == "test":
            tests.setdefault(sample.category, []).append(sample)
        elif sample.id in categories[sample.category]:
            digests.add(sample.digest)
    for name, found in tests.items():
        kept = prompts.limit_tests(source.name, name, found, plan.grid.limits.test_images)
        digests.update(sample.digest for sample in kept)
    return len(digests)
