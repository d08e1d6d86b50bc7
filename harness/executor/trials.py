"""Measuring how long trainings take: two short ones on a few auxiliary images, and on from there in a straight line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from gad.harness import manifest
from gad.harness.errors import ModelError
from gad.harness.executor import trainings
from gad.harness.executor.order import Order
from gad.harness.executor.showing import show
from gad.harness.executor.supervise import Child
from gad.harness.executor.train import train_into
from gad.harness.ids import canonical
from gad.harness.nouns import FeatureInput, ImageInput, Sample, Training, Trial
from gad.harness.plan import Plan
from gad.harness.registry import Model, Registry
from gad.harness.units import TrainUnit, for_training, shown_in_training

CATEGORIES = 2  # of the auxiliary set that a trial sees


def seconds(plan: Plan, known: Registry, order: Order, tell: Callable[[str], None]) -> dict[str, float]:
    """Seconds of one training by model, mean over those of the plan; those of models without a trial are left out.

    Starting a process and reading what it is shown are not in it. A model that meets the same images again and
    again may take less. Leaves a checkpoint of a short training in ``order.cache`` for every training that was
    measured, so that the method can be scored. ``tell`` is told why a short training failed.
    """
    alike: dict[tuple[str, int], list[Training]] = {}
    needed = dict.fromkeys(part.training for _, part in plan.parts() if part.training)
    for training in map(plan.trainings.__getitem__, needed):
        if not training.checkpoint:
            alike.setdefault((training.method_key, training.shots), []).append(training)
    found: dict[str, list[float]] = {}
    for same in alike.values():
        model = known.find(same[0].model.name)
        if model.info.trial is None:
            continue
        try:
            tried = _Tried(same, model, model.info.trial, plan, order)
        except ModelError as error:
            tell(f"{model.info.name} cannot be tried: {error}")
            continue
        found.setdefault(model.info.name, []).extend(tried.seconds(_shown(plan, each)) for each in same)
    return {name: sum(times) / len(times) for name, times in found.items()}


def _shown(plan: Plan, training: Training) -> tuple[Sample, ...]:
    """Samples of the training's auxiliary set, which is prepared."""
    prepared = plan.auxiliary[training.auxiliary].prepared
    assert prepared is not None
    return shown_in_training(manifest.read_samples(prepared), training.trains_on)


class _Tried:
    """Trainings that are the ``same`` but for their seed and auxiliary set, tried on a few images of the first's.

    Encodes into the order's cache. Raises ModelError when a short training fails.
    """

    def __init__(
        self, same: Sequence[Training], model: Model, trial: Trial, plan: Plan, order: Order
    ) -> None:
        self.same, self.model, self.trial, self.order = same, model, trial, order
        training = same[0]
        fields = plan.method_fields[training.method_key]["input"]
        prepared = plan.auxiliary[training.auxiliary].prepared
        assert prepared is not None
        few = _few(_shown(plan, training), max(trial.images, training.shots + 1))
        chosen = {sample.category for sample in few}
        kind = ImageInput if fields["kind"] == "images" else FeatureInput
        self.unit = TrainUnit(
            unit_id=training.training_id,
            dataset=training.auxiliary,
            model=training.model.name,
            options="",
            method_key=training.method_key,
            shots=training.shots,
            training_seed=training.training_seed,
            input=for_training(kind.model_validate(fields)),
            samples=few,
            texts=tuple((c.category, c.text) for c in prepared.categories if c.category in chosen),
            chunks=(),
        )
        cache = Path(order.cache)
        self.shown = show(self.unit, prepared.root_path, cache, order.threads, device=order.device)
        self._measure(few)

    def _measure(self, few: Sequence[Sample]) -> None:
        """Train twice; the checkpoint of the shorter trial is kept for all that are the same."""
        options, child = self.same[0].model.options, Child(self.order.threads)
        short, long = ({**options, **change} for change in self.trial.options)
        try:
            self._run(short, child, self.same)  # the first time, a process also imports and sets up
            self.first, second = self._run(short, child), self._run(long, child)
        finally:
            child.close()
        self.steps, more = self._steps(short, few), self._steps(long, few)
        self.each = (second - self.first) / (more - self.steps)
        if self.each <= 0:  # on a busy machine the longer one may end first: then at most so much
            self.each = second / more

    def seconds(self, samples: Sequence[Sample]) -> float:
        """Of the whole training on these."""
        left = self._steps(self.same[0].model.options, samples) - self.steps
        return self.first + self.each * max(0, left)

    def _steps(self, options: dict[str, object], samples: Sequence[Sample]) -> int:
        made = self.model.info.options.model_validate(options)
        categories = len({sample.category for sample in samples})
        return self.trial.steps(made, self.unit.shots, categories, len(samples))

    def _run(self, options: dict[str, object], child: Child, keep_for: Sequence[Training] = ()) -> float:
        unit, order = self.unit.model_copy(update={"options": canonical(options).decode()}), self.order
        limits = order.limits.of_training
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            story = train_into(folder, unit, self.model.reference, limits, order.threads, self.shown, child)
            for training in keep_for:
                checkpoint = folder / trainings.CHECKPOINT
                trainings.keep(Path(order.cache), training.training_id, checkpoint, story)
        return float(story["seconds"])


def _few(samples: Sequence[Sample], wanted: int) -> tuple[Sample, ...]:
    """Up to so many samples of each label, of the first categories that have every label that there is."""
    labels = {sample.label for sample in samples}
    by_kind: dict[str, dict[int, list[Sample]]] = {}
    for sample in samples:
        by_kind.setdefault(sample.category, {}).setdefault(sample.label, []).append(sample)
    whole = [kinds for kinds in by_kind.values() if kinds.keys() == labels]
    return tuple(s for kinds in whole[:CATEGORIES] for kind in kinds.values() for s in kind[:wanted])
