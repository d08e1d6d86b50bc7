"""Parts for the engine, made of planted images: its own units, pixels, features and arrays in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gad.harness.conformance.failures import CheckFailed
from gad.harness.executor.decode import pixels_of
from gad.harness.executor.encode import encode, open_store, torch_threads
from gad.harness.executor.inputs import Encodings, FeatureInputs, Inputs, PixelInputs
from gad.harness.ids import canonical
from gad.harness.nouns import FeatureInput, Sample
from gad.harness.units import EncodeUnit, PlannedPart, ScoreUnit

if TYPE_CHECKING:
    from gad.harness.conformance.subject import Subject


@dataclass(frozen=True)
class Case:
    """What a part is made of. ``batch_size`` 0 is the card's."""

    category: str
    prompts: tuple[Sample, ...]
    queries: tuple[Sample, ...]
    batch_size: int = 0


def unit_of(subject: Subject, case: Case) -> ScoreUnit:
    """The case as the engine's unit of one part."""
    part = PlannedPart(
        part_id="",
        model=subject.info.name,
        options=canonical(subject.options.model_dump(mode="json")).decode(),
        method_key="",
        input=subject.wanted,
        shots=len(case.prompts),
        prompts=case.prompts,
        training=subject.training(len(case.prompts)) if subject.info.trained else "",
    )
    return ScoreUnit(
        unit_id="",
        dataset="planted",
        category=case.category,
        text=case.category,
        seed=0,
        input=subject.wanted,
        parts=(part,),
        prompts=case.prompts,
        tests=case.queries,
        chunks=(),
    )


def inputs_in(subject: Subject, folder: Path, unit: ScoreUnit, *, maps: bool) -> Inputs:
    """The unit's arrays in ``folder``, by the real preprocessing and encoder. CheckFailed if that fails."""
    samples = (*unit.prompts, *unit.tests)
    if isinstance(subject.wanted, FeatureInput):
        given = _encoded(subject, samples, unit.text)
        store = open_store(subject.cache)
        return FeatureInputs(folder, unit, Encodings(store, subject.encoder, given=given), maps=maps)
    pixels, errors = pixels_of(samples, subject.field.root, subject.wanted)
    if errors:
        raise CheckFailed(f"an image could not be prepared: {next(iter(errors.values()))}")
    images = {sample.digest: pixels[row] for row, sample in enumerate(samples)}
    return PixelInputs(folder, unit, images, {})


def _encoded(subject: Subject, samples: tuple[Sample, ...], text: str) -> dict[str, tuple[Any, int]]:
    """Rows by image digest; each image is encoded once, and nothing but texts is kept on disk."""
    torch_threads(1)
    new = tuple({s.digest: s for s in samples if s.digest not in subject.rows}.values())
    unit = EncodeUnit(
        unit_id="",
        dataset="planted",
        root=str(subject.field.root),
        input=subject.wanted,
        samples=new,
        names=(text,) if subject.wanted.text else (),
        keep=False,
    )
    encoded = encode(unit, subject.cache, 1)
    if encoded.errors:
        raise CheckFailed(f"an image could not be encoded: {next(iter(encoded.errors.values()))}")
    subject.rows.update({sample.digest: (encoded.rows, row) for row, sample in enumerate(new)})
    return subject.rows
