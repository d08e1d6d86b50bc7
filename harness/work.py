"""From planned parts to units of work (:mod:`gad.harness.units`)."""

from __future__ import annotations

from collections.abc import Callable

from gad.harness import manifest, prompts, tiles
from gad.harness.chunks import Chunks
from gad.harness.ids import canonical, digest
from gad.harness.nouns import FeatureInput, ImageInput, Job, Part, Sample, Training
from gad.harness.plan import Plan
from gad.harness.units import (
    SLICE,
    Input,
    PlannedPart,
    ScoreUnit,
    TrainUnit,
    Work,
    for_training,
    shown_in_training,
    source_of,
)


def make(
    plan: Plan,
    wanted: frozenset[str],
    trained: Callable[[str], bool] = lambda training: False,
    *,
    stream: bool = False,
) -> Work:
    """Units for the parts in these states (``new``, and ``failed`` when they are retried).

    ``trained`` tells which trainings have been done before: their auxiliary set is not encoded again.
    ``stream``: features of test images are not kept; a test split is encoded and scored slice by slice.
    """
    chosen: dict[str, list[tuple[Job, Part]]] = {}
    for job, part in plan.parts():
        if plan.states[part.part_id] in wanted:
            chosen.setdefault(job.dataset, []).append((job, part))
    needed = {part.training: None for members in chosen.values() for _, part in members if part.training}
    trainings = [plan.trainings[name] for name in needed if not trained(name)]
    chunks = Chunks()
    for members in chosen.values():
        for job, _ in members:
            chunks.want(plan.method_fields[job.method_key]["input"])
    for training in trainings:
        if training.checkpoint:
            continue
        chunks.want(_for_training(plan, training).model_dump(mode="json"))
    score = [
        unit
        for name, members in chosen.items()
        for unit in _Dataset(plan, name, members, chunks, stream).units()
    ]
    train = {training.training_id: _train_unit(plan, training, chunks) for training in trainings}
    return Work(encode=chunks.units, score=tuple(score), train=train)


def _train_unit(plan: Plan, training: Training, chunks: Chunks) -> TrainUnit:
    wanted = _for_training(plan, training)
    if training.checkpoint:
        return _unit(training, wanted, (), (), ())
    prepared = plan.auxiliary[training.auxiliary].prepared
    assert prepared is not None
    source = source_of(wanted.model_dump(mode="json"))
    samples = shown_in_training(manifest.read_samples(prepared), training.trains_on)
    texts = tuple((category.category, category.text) for category in prepared.categories)
    chunks.place(source, prepared, samples, (text for _, text in texts))
    return _unit(training, wanted, samples, texts, chunks.of(source, samples, (text for _, text in texts)))


def _unit(
    training: Training,
    wanted: Input,
    samples: tuple[Sample, ...],
    texts: tuple[tuple[str, str], ...],
    chunks: tuple[str, ...],
) -> TrainUnit:
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
        chunks=chunks,
        checkpoint=training.checkpoint,
    )


def _for_training(plan: Plan, training: Training) -> Input:
    fields = plan.method_fields[training.method_key]["input"]
    kind = ImageInput if fields["kind"] == "images" else FeatureInput
    return for_training(kind.model_validate(fields))


class _Dataset:
    """Makes the units of one dataset, category by category so that a loaded one serves all its methods."""

    def __init__(
        self, plan: Plan, name: str, members: list[tuple[Job, Part]], chunks: Chunks, stream: bool
    ) -> None:
        prepared = plan.sources[name].prepared
        assert prepared is not None
        self.plan, self.name, self.prepared, self.chunks, self.stream = plan, name, prepared, chunks, stream
        self.tests = {category: self._tests(category) for category in {part.category for _, part in members}}
        self.groups: dict[tuple[str, str, str, int], list[tuple[Job, Part]]] = {}
        for job, part in members:
            wanted = plan.method_fields[job.method_key]["input"]
            shared = wanted["kind"] == "features" and not self._transductive(job)
            together = "" if shared else job.method_key
            key = (part.category, source_of(wanted), together, job.seed)
            self.groups.setdefault(key, []).append((job, part))
        self.tiles = self._tiles() if plan.grid.resize == "tile" else {}

    def _tiles(self) -> tiles.Tiles:
        """Of all images that methods with an encoder will see."""
        seen: list[Sample] = []
        for (category, _, _, seed), members in self.groups.items():
            if self._is_on_features(members[0][0]):
                seen += (*self._drawn(category, seed, members), *self.tests[category])
        return tiles.find(seen, self.prepared.root_path)

    def units(self) -> list[ScoreUnit]:
        samples: dict[str, list[Sample]] = {}
        texts: dict[str, list[str]] = {}
        for (category, source, _, seed), members in sorted(self.groups.items()):
            kept = () if self._streamed(members) else self.tests[category]
            looked_at = (*self._drawn(category, seed, members), *kept)
            samples.setdefault(source, []).extend(tiles.shown(looked_at, self._tiles_for(members)))
            texts.setdefault(source, []).append(members[0][1].text)
        for source, wanted in samples.items():
            self.chunks.place(source, self.prepared, wanted, texts[source])
        whole: list[ScoreUnit] = []
        streamed: list[ScoreUnit] = []
        for key, members in sorted(self.groups.items()):
            (streamed if self._streamed(members) else whole).append(self._unit(key, members))
        return whole + self._in_slices(streamed)

    def _streamed(self, members: list[tuple[Job, Part]]) -> bool:
        job = members[0][0]
        return self.stream and self._is_on_features(job) and not self._transductive(job)

    def _is_on_features(self, job: Job) -> bool:
        return bool(self.plan.method_fields[job.method_key]["input"]["kind"] == "features")

    def _tiles_for(self, members: list[tuple[Job, Part]]) -> tiles.Tiles:
        return self.tiles if self._is_on_features(members[0][0]) else {}

    def _transductive(self, job: Job) -> bool:
        """Whether the method looks at the whole test split at once: then it is not cut into slices."""
        return bool(self.plan.method_fields[job.method_key].get("transductive"))

    def _in_slices(self, units: list[ScoreUnit]) -> list[ScoreUnit]:
        """Units of whole splits cut into slices, ordered so that a slice serves all that need it, and goes.

        Splits follow one another, so that an interrupted run loses one of them.
        """
        together: dict[tuple[str, tuple[str, ...]], list[ScoreUnit]] = {}
        for unit in units:
            key = (source_of(unit.input.model_dump(mode="json")), tuple(s.digest for s in unit.tests))
            together.setdefault(key, []).append(unit)
        return [
            self._slice(source, unit, number)
            for (source, _), members in together.items()
            for number in range(members[0].slices)
            for unit in members
        ]

    def _slice(self, source: str, unit: ScoreUnit, number: int) -> ScoreUnit:
        tests = unit.tests[number * SLICE : (number + 1) * SLICE]
        chunk = self.chunks.slice(source, self.prepared, tests)
        return unit.model_copy(
            update={
                "unit_id": digest([unit.unit_id, number])[:20],
                "tests": tests,
                "chunks": (*unit.chunks, chunk),
                "slice": number,
            }
        )

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
        tests = self.tests[category]
        streamed = self._streamed(members)
        looked_at = drawn if streamed else (*drawn, *tests)
        in_tiles = {s.digest: held for s in looked_at if (held := self._tiles_for(members).get(s.digest))}
        chunks = self.chunks.of(source, tiles.shown(looked_at, in_tiles), [text])
        return ScoreUnit(
            unit_id=digest([part.part_id for part in parts])[:20],
            dataset=self.name,
            category=category,
            text=text,
            seed=seed,
            input=self.chunks.union(source),
            parts=parts,
            prompts=drawn,
            tests=tests,
            chunks=chunks,
            slices=-(-len(tests) // SLICE) if streamed else 1,
            masked=any(s.label for s in tests) and all(s.mask for s in tests if s.label),
            root=str(self.prepared.root_path),
            tiles=in_tiles,
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
            training_seed=job.training_seed,
        )
