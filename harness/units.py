"""From planned parts to units of work: what is decoded together, and what is scored together.

Neither depends on how many workers there are: an image is decoded once per input, in chunks cut from
the manifest, and one scoring unit is a (category, method, seed) with all its K.
"""

from __future__ import annotations

from collections.abc import Iterable

from gad.harness import manifest, prompts
from gad.harness.ids import canonical, digest
from gad.harness.nouns import Frozen, ImageInput, Job, Part, Sample
from gad.harness.plan import Plan

CHUNK_IMAGES = 256


class EncodeUnit(Frozen):
    """Up to CHUNK_IMAGES distinct images of one dataset, to be decoded for one input."""

    unit_id: str
    dataset: str
    root: str
    input: ImageInput
    samples: tuple[Sample, ...]


class PlannedPart(Frozen):
    """One part with its prompts, ready to be scored."""

    part_id: str
    shots: int
    prompts: tuple[Sample, ...]


class ScoreUnit(Frozen):
    """All new parts of one (category, method, seed), smallest K first.

    ``chunks`` are the encode units that hold its images; ``tests`` is the test split in manifest order.
    """

    unit_id: str
    dataset: str
    category: str
    text: str
    model: str
    options: str
    method_key: str
    seed: int
    parts: tuple[PlannedPart, ...]
    tests: tuple[Sample, ...]
    chunks: tuple[str, ...]


class Work(Frozen):
    encode: dict[str, EncodeUnit]
    score: tuple[ScoreUnit, ...]

    @property
    def images(self) -> int:
        return sum(len(unit.samples) for unit in self.encode.values())

    @property
    def parts(self) -> int:
        return sum(len(unit.parts) for unit in self.score)


def make(plan: Plan, wanted: frozenset[str]) -> Work:
    """Units for the parts in these states (``new``, and ``failed`` when they are retried)."""
    encode: dict[str, EncodeUnit] = {}
    score: list[ScoreUnit] = []
    for dataset in plan.sources:
        chosen = [
            (job, part)
            for job, part in plan.parts()
            if job.dataset == dataset and plan.states[part.part_id] in wanted
        ]
        if chosen:
            score += _dataset(plan, dataset, chosen, encode)
    return Work(encode=encode, score=tuple(score))


def _dataset(
    plan: Plan, dataset: str, chosen: list[tuple[Job, Part]], encode: dict[str, EncodeUnit]
) -> list[ScoreUnit]:
    """Score units of one dataset, category by category so that a loaded category serves all its methods."""
    prepared = plan.sources[dataset].prepared
    assert prepared is not None
    categories = sorted({part.category for _, part in chosen})
    tests = {name: _tests(plan, dataset, name) for name in categories}
    groups: dict[tuple[str, str, int], list[tuple[Job, Part]]] = {}
    for job, part in chosen:
        groups.setdefault((part.category, job.method_key, job.seed), []).append((job, part))
    needed: dict[bytes, dict[str, Sample]] = {}  # input -> distinct images by digest, in manifest order
    for (category, method, seed), members in sorted(groups.items()):
        drawn = plan.prompt_sets[dataset, category, seed].first(max(job.shots for job, _ in members))
        images = needed.setdefault(canonical(plan.method_fields[method]["input"]), {})
        for sample in (*drawn, *tests[category]):
            images.setdefault(sample.digest, sample)
    where: dict[tuple[bytes, str], str] = {}
    for wanted, images in needed.items():
        for unit in _chunks(dataset, str(prepared.root_path), ImageInput.model_validate_json(wanted), images):
            encode[unit.unit_id] = unit
            where.update({(wanted, sample.digest): unit.unit_id for sample in unit.samples})
    return [
        _unit(plan, dataset, key, members, tests[key[0]], where) for key, members in sorted(groups.items())
    ]


def _tests(plan: Plan, dataset: str, category: str) -> tuple[Sample, ...]:
    prepared = plan.sources[dataset].prepared
    assert prepared is not None
    found = manifest.read_samples(prepared, category=category, split="test")
    return tuple(prompts.limit_tests(dataset, category, found, plan.grid.limits.test_images))


def _chunks(dataset: str, root: str, wanted: ImageInput, images: dict[str, Sample]) -> Iterable[EncodeUnit]:
    ordered = list(images.values())
    for start in range(0, len(ordered), CHUNK_IMAGES):
        samples = tuple(ordered[start : start + CHUNK_IMAGES])
        key = digest([dataset, wanted.model_dump(), [s.digest for s in samples]])[:20]
        yield EncodeUnit(unit_id=key, dataset=dataset, root=root, input=wanted, samples=samples)


def _unit(
    plan: Plan,
    dataset: str,
    key: tuple[str, str, int],
    members: list[tuple[Job, Part]],
    tests: tuple[Sample, ...],
    where: dict[tuple[bytes, str], str],
) -> ScoreUnit:
    category, method, seed = key
    drawn = plan.prompt_sets[dataset, category, seed]
    first = members[0][0]
    wanted = canonical(plan.method_fields[method]["input"])
    parts = tuple(
        PlannedPart(part_id=part.part_id, shots=job.shots, prompts=drawn.first(job.shots))
        for job, part in sorted(members, key=lambda pair: pair[0].shots)
    )
    used = dict.fromkeys(where[wanted, s.digest] for s in (*parts[-1].prompts, *tests))
    return ScoreUnit(
        unit_id=digest([part.part_id for part in parts])[:20],
        dataset=dataset,
        category=category,
        text=members[0][1].text,
        model=first.model.name,
        options=canonical(first.model.options).decode(),
        method_key=method,
        seed=seed,
        parts=parts,
        tests=tests,
        chunks=tuple(used),
    )
