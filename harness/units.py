"""From planned parts to units of work: what is decoded or encoded together, and what is scored together.

Neither depends on how many workers there are. An image is decoded once per image input and encoded once
per encoder, in chunks cut from the manifest. A scoring unit of image methods is a (category, method,
seed) with all its K; one of feature methods is a (category, encoder, seed) with all its methods and K,
because they share what is derived from the features.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field

from gad.harness import manifest, prompts
from gad.harness.ids import canonical, digest
from gad.harness.nouns import FeatureInput, Frozen, ImageInput, Job, Part, Sample
from gad.harness.plan import Plan

CHUNK_IMAGES = 256
Input = Annotated[ImageInput | FeatureInput, Field(discriminator="kind")]


class EncodeUnit(Frozen):
    """Up to CHUNK_IMAGES distinct images of one dataset, to be decoded or encoded for one input.

    For features ``input`` is the union of what the methods of its encoder want, and ``names`` are the
    categories whose text prompts are to be embedded along.
    """

    unit_id: str
    dataset: str
    root: str
    input: Input
    samples: tuple[Sample, ...]
    names: tuple[str, ...] = ()


class PlannedPart(Frozen):
    """One part with its method and prompts, ready to be scored. ``options`` is canonical JSON."""

    part_id: str
    model: str
    options: str
    method_key: str
    input: Input
    shots: int
    prompts: tuple[Sample, ...]


class ScoreUnit(Frozen):
    """New parts of one category and seed that are scored together, method by method, smallest K first.

    ``prompts`` are those of its largest K; ``tests`` is the test split in manifest order; ``chunks``
    are the encode units that hold their images.
    """

    unit_id: str
    dataset: str
    category: str
    text: str
    seed: int
    input: Input
    parts: tuple[PlannedPart, ...]
    prompts: tuple[Sample, ...]
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


def source_of(wanted: dict[str, Any]) -> str:
    """What an image has to meet once for an input: the input itself, or for features the encoder."""
    if wanted["kind"] == "features":
        wanted = {name: wanted[name] for name in ("kind", "backbone", "weights", "size")}
    return canonical(wanted).decode()


def make(plan: Plan, wanted: frozenset[str]) -> Work:
    """Units for the parts in these states (``new``, and ``failed`` when they are retried)."""
    encode: dict[str, EncodeUnit] = {}
    score: list[ScoreUnit] = []
    chosen: dict[str, list[tuple[Job, Part]]] = {}
    for job, part in plan.parts():
        if plan.states[part.part_id] in wanted:
            chosen.setdefault(job.dataset, []).append((job, part))
    for dataset, members in chosen.items():
        score += _Dataset(plan, dataset, members, encode).units()
    return Work(encode=encode, score=tuple(score))


class _Dataset:
    """Makes the units of one dataset, category by category so that a loaded one serves all its methods."""

    def __init__(
        self, plan: Plan, name: str, members: list[tuple[Job, Part]], encode: dict[str, EncodeUnit]
    ) -> None:
        prepared = plan.sources[name].prepared
        assert prepared is not None
        self.plan, self.name, self.prepared, self.encode = plan, name, prepared, encode
        self.tests = {category: self._tests(category) for category in {part.category for _, part in members}}
        self.groups: dict[tuple[str, str, str, int], list[tuple[Job, Part]]] = {}
        for job, part in members:
            wanted = plan.method_fields[job.method_key]["input"]
            together = "" if wanted["kind"] == "features" else job.method_key
            key = (part.category, source_of(wanted), together, job.seed)
            self.groups.setdefault(key, []).append((job, part))
        self.where: dict[tuple[str, str], str] = {}

    def units(self) -> list[ScoreUnit]:
        for source in dict.fromkeys(source for _, source, _, _ in sorted(self.groups)):
            self._encode(source)
        return [self._unit(key, members) for key, members in sorted(self.groups.items())]

    def _tests(self, category: str) -> tuple[Sample, ...]:
        found = manifest.read_samples(self.prepared, category=category, split="test")
        return tuple(prompts.limit_tests(self.name, category, found, self.plan.grid.limits.test_images))

    def _drawn(self, category: str, seed: int, members: list[tuple[Job, Part]]) -> tuple[Sample, ...]:
        return self.plan.prompt_sets[self.name, category, seed].first(max(job.shots for job, _ in members))

    def _encode(self, source: str) -> None:
        """Chunks of all distinct images that meet one source, in the order of the manifest."""
        images: dict[str, Sample] = {}
        texts: dict[str, None] = {}
        inputs: list[dict[str, Any]] = []
        for (category, own, _, seed), members in sorted(self.groups.items()):
            if own == source:
                inputs += [self.plan.method_fields[job.method_key]["input"] for job, _ in members]
                texts.update(dict.fromkeys(part.text for _, part in members))
                for sample in (*self._drawn(category, seed, members), *self.tests[category]):
                    images.setdefault(sample.digest, sample)
        wanted = _union(inputs)
        names = tuple(texts) if isinstance(wanted, FeatureInput) and wanted.text else ()
        for unit in _chunks(self.name, str(self.prepared.root_path), wanted, list(images.values()), names):
            self.encode[unit.unit_id] = unit
            self.where.update({(source, sample.digest): unit.unit_id for sample in unit.samples})

    def _unit(self, key: tuple[str, str, str, int], members: list[tuple[Job, Part]]) -> ScoreUnit:
        category, source, _, seed = key
        drawn = self._drawn(category, seed, members)
        members = sorted(members, key=lambda pair: (pair[0].method_key, pair[0].shots))
        parts = tuple(self._part(job, part, drawn) for job, part in members)
        chunks = dict.fromkeys(self.where[source, s.digest] for s in (*drawn, *self.tests[category]))
        return ScoreUnit(
            unit_id=digest([part.part_id for part in parts])[:20],
            dataset=self.name,
            category=category,
            text=members[0][1].text,
            seed=seed,
            input=self.encode[next(iter(chunks))].input,
            parts=parts,
            prompts=drawn,
            tests=self.tests[category],
            chunks=tuple(chunks),
        )

    def _part(self, job: Job, part: Part, drawn: tuple[Sample, ...]) -> PlannedPart:
        return PlannedPart(
            part_id=part.part_id,
            model=job.model.name,
            options=canonical(job.model.options).decode(),
            method_key=job.method_key,
            input=self.plan.method_fields[job.method_key]["input"],
            shots=job.shots,
            prompts=drawn[: job.shots],
        )


def _union(inputs: list[dict[str, Any]]) -> ImageInput | FeatureInput:
    """One input that serves several of the same source: image inputs are equal, features are united."""
    if inputs[0]["kind"] == "images":
        return ImageInput.model_validate(inputs[0])
    wanted = [FeatureInput.model_validate(fields) for fields in inputs]
    return wanted[0].model_copy(
        update={
            "layers": tuple(sorted({layer for each in wanted for layer in each.layers})),
            "tokens": any(each.tokens for each in wanted),
            "nearest": any(each.nearest for each in wanted),
            "text": any(each.text for each in wanted),
        }
    )


def _chunks(
    dataset: str, root: str, wanted: ImageInput | FeatureInput, samples: list[Sample], names: tuple[str, ...]
) -> Iterable[EncodeUnit]:
    for start in range(0, len(samples), CHUNK_IMAGES):
        chunk = tuple(samples[start : start + CHUNK_IMAGES])
        key = digest([dataset, wanted.model_dump(), [s.digest for s in chunk]])[:20]
        yield EncodeUnit(unit_id=key, dataset=dataset, root=root, input=wanted, samples=chunk, names=names)
