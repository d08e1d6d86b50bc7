"""Scoring a handful of image files with one detector: no grid, no dataset, nothing recorded.

The same pixels, features and batches as in a grid, so the same scores; in this process, one slice of
images at a time.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gad.harness.adapter import Context, Features
from gad.harness.errors import DataError, HarnessError, ModelError
from gad.harness.executor.child import batches_for, features_in
from gad.harness.executor.decode import pixels_of
from gad.harness.executor.encode import encode, encoder_of, open_store, torch_threads
from gad.harness.executor.inputs import Encodings, FeatureInputs
from gad.harness.executor.loaded import load
from gad.harness.executor.returned import checked
from gad.harness.images import regular
from gad.harness.nouns import FeatureInput, Frozen, ImageInput, ModelInfo, Sample
from gad.harness.units import SLICE, EncodeUnit, PlannedPart, ScoreUnit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gad.harness.executor.passes import Rows

CATEGORY = "given"
# A handful of images is filled up to so many. The bits are those of a grid's batches of 32 with every encoder
# that was tried (from 12 images on with tiny, from 2 with ViT-B-16-plus-240 and with CNNs and ViTs of timm).
FEW = 16


@dataclass(frozen=True)
class Answer:
    """What is said of one image. ``parts``: what the score is made of, by name; ``map`` ``[h, w]``.

    ``error`` is empty unless the image cannot be read; then there is no score.
    """

    path: Path
    score: float | None = None
    parts: dict[str, float] = field(default_factory=dict)
    map: Any = None
    error: str = ""


class Single(Frozen):
    """A detector, its K prompts and what its text prompts call the object.

    ``wanted`` is its resolved input, ``arrays`` its trained weights if it has any; ``maps``: whether maps will
    be looked at.
    """

    info: ModelInfo
    options: Any
    wanted: Any
    prompts: tuple[Path, ...]
    text: str
    arrays: dict[str, Any] | None = None
    maps: bool = False
    cache: Path
    threads: int = 1


def score(single: Single, images: Sequence[Path]) -> Iterator[Answer]:
    """Answers in the order of ``images``. Raises HarnessError when the prompts or the detector are no good."""
    torch_threads(single.threads)
    prompts = [_sample(path) for path in single.prompts]
    if unreadable := [s for s in prompts if isinstance(s, Answer)]:
        raise DataError(f"a prompt cannot be read: {unreadable[0].error}", fix="Give other normal images.")
    shown = tuple(sample for sample in prompts if isinstance(sample, Sample))
    look = _Features(single, shown) if isinstance(single.wanted, FeatureInput) else _Pixels(single, shown)
    step = len(images) if single.info.transductive else SLICE
    for start in range(0, len(images), max(step, 1)):
        found = [_sample(path) for path in images[start : start + step]]
        good = tuple(item for item in found if isinstance(item, Sample))
        answers = look.answers(good)
        for path, item in zip(images[start:], found, strict=False):
            answer = item if isinstance(item, Answer) else next(answers)
            yield replace(answer, path=path)


def _sample(path: Path) -> Sample | Answer:
    try:
        digest = hashlib.sha256(regular(path).read_bytes()).hexdigest()
    except OSError as error:
        return Answer(path=path, error=f"{path}: {error.strerror or error}")
    place = path.absolute().as_posix()
    return Sample(id=path.name, path=place, label=0, split="test", category=CATEGORY, digest=digest)


@contextmanager
def _named(info: ModelInfo) -> Iterator[None]:
    """Errors of an adapter's own code in words, as a grid records them."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        raise ModelError(
            f"{info.name} failed: {type(error).__name__}: {error}",
            fix="`harness --debug score ...` shows where.",
        ) from error


class _Look:
    """One adapter that has seen its prompts, and how queries get to it."""

    def __init__(self, single: Single) -> None:
        self.single = single
        context = Context(category=CATEGORY, text=single.text, seed=0, maps=single.maps)
        with _named(single.info):
            self.adapter = load(single.info.adapter)(single.options, context)
            if single.arrays is not None:
                self.adapter.load(single.arrays)

    def _scored(self, samples: tuple[Sample, ...], queries: Any) -> Iterator[Answer]:
        """Answers of readable samples, in canonical batches."""
        info = self.single.info
        for first, last in batches_for(info, len(samples), info.batch_size):
            batch = queries.rows(first, last) if isinstance(queries, Features) else queries[first:last]
            with _named(info):
                scored = checked(self.adapter.score(batch), last - first)
            for row, sample in enumerate(samples[first:last]):
                value = float(scored.scores[row])
                if not np.isfinite(value):
                    raise ModelError(f"{self.single.info.name} gave the score {value} for {sample.path}")
                yield Answer(
                    path=Path(sample.path),
                    score=value,
                    parts={name: float(rows[row]) for name, rows in scored.parts.items()},
                    map=None if scored.maps is None else scored.maps[row],
                )

    def _merged(
        self, samples: tuple[Sample, ...], errors: dict[str, str], answers: Iterator[Answer]
    ) -> Iterator[Answer]:
        for sample in samples:
            bad = errors.get(sample.digest)
            yield next(answers) if bad is None else Answer(path=Path(sample.path), error=bad)


class _Pixels(_Look):
    def __init__(self, single: Single, prompts: tuple[Sample, ...]) -> None:
        super().__init__(single)
        assert isinstance(single.wanted, ImageInput)
        pixels, errors = pixels_of(prompts, Path("/"), single.wanted)
        _refuse(errors)
        with _named(single.info):
            self.adapter.prepare(_read_only(pixels))

    def answers(self, samples: tuple[Sample, ...]) -> Iterator[Answer]:
        pixels, errors = pixels_of(samples, Path("/"), self.single.wanted)
        good = [row for row, sample in enumerate(samples) if sample.digest not in errors]
        scored = self._scored(tuple(samples[row] for row in good), _read_only(pixels[good]))
        return self._merged(samples, errors, scored)


class _Features(_Look):
    """Nothing but texts is kept in the cache: the images are few, and may be seen once.

    The prompts are encoded along with the first images: one batch does for a handful of both.
    """

    def __init__(self, single: Single, prompts: tuple[Sample, ...]) -> None:
        super().__init__(single)
        self.prompts, self.prepared = prompts, False
        self.given: dict[str, Any] | None = None  # the prompts' rows

    def _encoded(self, samples: tuple[Sample, ...]) -> tuple[str, dict[str, str], dict[str, Any]]:
        distinct = tuple({sample.digest: sample for sample in samples}.values())
        unit = EncodeUnit(
            unit_id="",
            dataset="",
            root="/",
            input=self.single.wanted,
            samples=distinct,
            names=(self.single.text,) if self.single.wanted.text else (),
            keep=False,
        )
        done = encode(unit, self.single.cache, self.single.threads, least=FEW)
        return done.key, done.errors, {s.digest: (done.rows, row) for row, s in enumerate(distinct)}

    def answers(self, samples: tuple[Sample, ...]) -> Iterator[Answer]:
        new = self.prompts if self.given is None else ()
        self.key, errors, given = self._encoded((*new, *samples))
        if self.given is None:
            _refuse({s.digest: errors[s.digest] for s in self.prompts if s.digest in errors})
            self.given = {s.digest: _alone(*given[s.digest]) for s in self.prompts}
        good = tuple(sample for sample in samples if sample.digest not in errors)
        if not good:
            return self._merged(samples, errors, iter(()))
        prompts, queries = self._features(good, {**given, **self.given})
        if not self.prepared:
            with _named(self.single.info):
                self.adapter.prepare(prompts)
            self.prepared = True
        return self._merged(samples, errors, self._scored(good, queries))

    def _features(self, tests: tuple[Sample, ...], given: dict[str, Any]) -> tuple[Features, Features]:
        part = PlannedPart(
            part_id="",
            model=self.single.info.name,
            options="{}",
            method_key="",
            input=self.single.wanted,
            shots=len(self.prompts),
            prompts=self.prompts,
        )
        unit = ScoreUnit(
            unit_id="",
            dataset="",
            category=CATEGORY,
            text=self.single.text,
            seed=0,
            input=self.single.wanted,
            parts=(part,),
            prompts=self.prompts,
            tests=tests,
            chunks=(),
        )
        store = open_store(self.single.cache)
        with tempfile.TemporaryDirectory() as folder:
            found = Encodings(store, self.key, given=given)
            inputs = FeatureInputs(Path(folder), unit, found, maps=self.single.maps)
            return features_in(inputs.message(part))


def seen(path: Path, single: Single) -> NDArray[np.uint8]:
    """An image as the detector saw it: uint8 RGB ``[size, size, 3]``."""
    sample, wanted = _sample(path), single.wanted
    assert isinstance(sample, Sample)
    if isinstance(wanted, FeatureInput):
        wanted = encoder_of(wanted, single.threads).input
    pixels, _ = pixels_of([sample], Path("/"), wanted)
    return pixels[0]


def _alone(rows: Rows, row: int) -> tuple[Rows, int]:
    """One image's rows without those that were encoded along with it."""
    return {name: found[row : row + 1].copy() for name, found in rows.items()}, 0


def _refuse(errors: dict[str, str]) -> None:
    if errors:
        raise DataError(
            f"a prompt cannot be read: {next(iter(errors.values()))}", fix="Give other normal images."
        )


def _read_only(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    pixels.setflags(write=False)
    return pixels
