"""From planned parts to units of work (:mod:`gad.harness.units`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gad.harness import manifest, prompts
from gad.harness.ids import canonical, digest
from gad.harness.manifest import Prepared
from gad.harness.nouns import FeatureInput, ImageInput, Job, Part, Sample, Training
from gad.harness.plan import Plan
from gad.harness.units import EncodeUnit, PlannedPart, ScoreUnit, TrainUnit, Work, source_of

CHUNK_IMAGES = 256


def make(plan: Plan, wanted: frozenset[str], trained: Callable[[str], bool] = lambda training: False) -> Work:
    """Units for the parts in these states (``new``, and ``failed`` when they are retried).

    ``trained`` tells which trainings have been done before: their auxiliary set is not encoded again.
    """
    chosen: dict[str, list[tuple[Job, Part]]] = {}
    for job, part in plan.parts():
        if plan.states[part.part_id] in wanted:
            chosen.setdefault(job.dataset, []).append((job, part))
    needed = {part.training: None for members in chosen.values() for _, part in members if part.training}
    trainings = [plan.trainings[name] for name in needed if not trained(name)]
    chunks = _Chunks()
    for members in chosen.values():
        for job, _ in members:
            chunks.want(plan.method_fields[job.method_key]["input"])
    for training in trainings:
        chunks.want(_for_training(plan, training).model_dump(mode="json"))
    score = [
        unit for name, members in chosen.items() for unit in _Dataset(plan, name, members, chunks).units()
    ]
    train = {training.training_id: _train_unit(plan, training, chunks) for training in trainings}
    return Work(encode=chunks.units, score=tuple(score), train=train)


class _Chunks:
    """Cuts images into encode units. An image that meets a source is in one chunk, whoever wants it.

    What every method wants of a source is collected first, so that one pass gives all of it.
    """

    def __init__(self) -> None:
        self.units: dict[str, EncodeUnit] = {}
        self.inputs: dict[str, list[dict[str, Any]]] = {}
        self.images: dict[tuple[str, str], str] = {}  # (source, image digest) -> chunk
        self.texts: dict[tuple[str, str], str] = {}  # (source, class text) -> chunk

    def want(self, wanted: dict[str, Any]) -> None:
        self.inputs.setdefault(source_of(wanted), []).append(wanted)

    def place(self, source: str, prepared: Prepared, samples: Iterable[Sample], texts: Iterable[str]) -> None:
        """Put the samples and texts that no chunk has yet into new ones, in the order given."""
        wanted = _union(self.inputs[source])
        distinct = {s.digest: s for s in samples if (source, s.digest) not in self.images}
        names = [text for text in dict.fromkeys(texts) if (source, text) not in self.texts]
        if not (isinstance(wanted, FeatureInput) and wanted.text):
            names = []
        ordered = list(distinct.values())
        for start in range(0, max(len(ordered), len(names[:1])), CHUNK_IMAGES):
            chunk = tuple(ordered[start : start + CHUNK_IMAGES])
            own = tuple(names) if start == 0 else ()
            key = digest([prepared.name, wanted.model_dump(), [s.digest for s in chunk], own])[:20]
            root = str(prepared.root_path)
            self.units[key] = EncodeUnit(
                unit_id=key, dataset=prepared.name, root=root, input=wanted, samples=chunk, names=own
            )
            self.images.update({(source, sample.digest): key for sample in chunk})
            self.texts.update({(source, text): key for text in own})

    def of(self, source: str, samples: Iterable[Sample], texts: Iterable[str]) -> tuple[str, ...]:
        """The chunks that hold some samples and texts."""
        found = dict.fromkeys(self.texts[source, text] for text in texts if (source, text) in self.texts)
        found.update(dict.fromkeys(self.images[source, sample.digest] for sample in samples))
        return tuple(found)


def _train_unit(plan: Plan, training: Training, chunks: _Chunks) -> TrainUnit:
    prepared = plan.auxiliary[training.auxiliary].prepared
    assert prepared is not None
    wanted = _for_training(plan, training)
    source = source_of(wanted.model_dump(mode="json"))
    samples = tuple(manifest.read_samples(prepared))
    texts = tuple((category.category, category.text) for category in prepared.categories)
    chunks.place(source, prepared, samples, (text for _, text in texts))
    return TrainUnit(
        unit_id=training.training_id,
        dataset=training.auxiliary,
        model=training.model.name,
        options=canonical(training.model.options).decode(),
        method_key=training.method_key,
        shots=training.shots,
        training_seed=training.training_seed,
        input=wanted,
        samples=samples,
        texts=texts,
        chunks=chunks.of(source, samples, (text for _, text in texts)),
    )


def _for_training(plan: Plan, training: Training) -> FeatureInput:
    """What training sees: the patch tokens of the layers whose distances scoring sees."""
    scoring = FeatureInput.model_validate(plan.method_fields[training.method_key]["input"])
    return scoring.model_copy(update={"tokens": scoring.tokens or scoring.nearest, "nearest": False})


class _Dataset:
    """Makes the units of one dataset, category by category so that a loaded one serves all its methods."""

    def __init__(self, plan: Plan, name: str, members: list[tuple[Job, Part]], chunks: _Chunks) -> None:
        prepared = plan.sources[name].prepared
        assert prepared is not None
        self.plan, self.name, self.prepared, self.chunks = plan, name, prepared, chunks
        self.tests = {category: self._tests(category) for category in {part.category for _, part in members}}
        self.groups: dict[tuple[str, str, str, int], list[tuple[Job, Part]]] = {}
        for job, part in members:
            wanted = plan.method_fields[job.method_key]["input"]
            together = "" if wanted["kind"] == "features" else job.method_key
            key = (part.category, source_of(wanted), together, job.seed)
            self.groups.setdefault(key, []).append((job, part))

    def units(self) -> list[ScoreUnit]:
        samples: dict[str, list[Sample]] = {}
        texts: dict[str, list[str]] = {}
        for (category, source, _, seed), members in sorted(self.groups.items()):
            samples.setdefault(source, []).extend(
                (*self._drawn(category, seed, members), *self.tests[category])
            )
            texts.setdefault(source, []).append(members[0][1].text)
        for source, wanted in samples.items():
            self.chunks.place(source, self.prepared, wanted, texts[source])
        return [self._unit(key, members) for key, members in sorted(self.groups.items())]

    def _tests(self, category: str) -> tuple[Sample, ...]:
        found = manifest.read_samples(self.prepared, category=category, split="test")
        return tuple(prompts.limit_tests(self.name, category, found, self.plan.grid.limits.test_images))

    def _drawn(self, category: str, seed: int, members: list[tuple[Job, Part]]) -> tuple[Sample, ...]:
        return self.plan.prompt_sets[self.name, category, seed].first(max(job.shots for job, _ in members))

    def _unit(self, key: tuple[str, str, str, int], members: list[tuple[Job, Part]]) -> ScoreUnit:
        category, source, _, seed = key
        drawn = self._drawn(category, seed, members)
        members = sorted(members, key=lambda pair: (pair[0].method_key, pair[0].shots))
        parts = tuple(self._part(job, part, drawn) for job, part in members)
        text = members[0][1].text
        chunks = self.chunks.of(source, (*drawn, *self.tests[category]), [text])
        return ScoreUnit(
            unit_id=digest([part.part_id for part in parts])[:20],
            dataset=self.name,
            category=category,
            text=text,
            seed=seed,
            input=self.chunks.units[chunks[0]].input,
            parts=parts,
            prompts=drawn,
            tests=self.tests[category],
            chunks=chunks,
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
            training=part.training,
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
            "windows": tuple(sorted({size for each in wanted for size in each.windows})),
        }
    )
