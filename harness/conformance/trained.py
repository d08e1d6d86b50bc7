"""Trainings for the checks of a trained model, on planted auxiliary surfaces; kept like a grid's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gad.harness.conformance.failures import CheckFailed
from gad.harness.conformance.planted import AUXILIARY
from gad.harness.errors import ModelError
from gad.harness.executor import trainings
from gad.harness.executor.memory import in_memory
from gad.harness.executor.showing import show
from gad.harness.executor.supervise import ChildEnded
from gad.harness.executor.train import train_into, with_notes
from gad.harness.ids import canonical
from gad.harness.nouns import Limits
from gad.harness.units import TrainUnit, for_training, shown_in_training

if TYPE_CHECKING:
    from gad.harness.conformance.subject import Subject

LIMITS = Limits(part_seconds=600, part_memory_gb=8)
TRAINING_SEED = 10


def train(subject: Subject, shots: int, *, again: str = "") -> str:
    """Train for K shots unless that was done, and return the training's id. ``again``: once more, by that name."""
    unit = _unit(subject, shots)
    name = f"training-K{unit.shots}{again}"
    if trainings.find(subject.cache, name) is not None:
        return name
    # By the engine's own preprocessing and encoder.
    shown = show(unit, subject.field.root, subject.cache, 1)
    with in_memory() as folder, subject.apart() as child:
        try:
            story = train_into(folder, unit, subject.model.reference, LIMITS, 1, shown, child)
        except ModelError as error:
            ended = error.__cause__
            late = isinstance(ended, ChildEnded) and ended.kind == "timeout"
            hint = "; a short training will do for a check: --option NAME=VALUE" if late else ""
            raise CheckFailed(f"training failed: {with_notes(error)}{hint}") from error
        trainings.keep(subject.cache, name, folder / trainings.CHECKPOINT, story)
    return name


def arrays(subject: Subject, training: str) -> Path:
    """Where a training's checkpoint lies."""
    return trainings.folder(subject.cache, training) / trainings.CHECKPOINT


def _unit(subject: Subject, shots: int) -> TrainUnit:
    samples = [s for name in AUXILIARY for s in (*subject.field[name].prompts, *subject.field[name].queries)]
    return TrainUnit(
        unit_id="",
        dataset="planted",
        model=subject.info.name,
        options=canonical(subject.options.model_dump(mode="json")).decode(),
        method_key="",
        shots=0 if subject.info.one_training else max(shots, 1),
        training_seed=TRAINING_SEED,
        input=for_training(subject.wanted),
        samples=shown_in_training(samples, subject.info.trains_on),
        texts=tuple((name, name) for name in AUXILIARY),
        chunks=(),
    )
