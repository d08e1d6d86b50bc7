"""What a unit's parts are given: arrays in files that the scoring process maps read-only.

The files are written once per unit and serve all its methods and K. What several detectors derive from
the same features (distances to the nearest prompt patch, text embeddings and priors) is computed here.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gad.harness.executor.texts import text_embeddings, window_priors
from gad.harness.nouns import FeatureInput, Sample
from gad.harness.units import PlannedPart, ScoreUnit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gad.harness.executor.passes import Rows
    from gad.harness.features.store import FeatureStore

BLOCK = 256  # query images whose patch tokens are in memory at once


class Inputs(Protocol):
    """``folder`` holds the arrays; ``unreadable``: errors by image digest; ``halved``: digests of images that
    were encoded with half the batch.

    ``parameters``: how many the part's encoder has. ``message``: how the scoring process finds a part's
    arrays. ``seconds``: what they took to be read and derived, all that the part looks at, whoever looks at
    it too.
    """

    folder: Path
    unreadable: Mapping[str, str]
    halved: Set[str]

    def parameters(self, part: PlannedPart) -> int: ...

    def message(self, part: PlannedPart) -> dict[str, Any]: ...

    def seconds(self, part: PlannedPart) -> float: ...


class PixelInputs:
    """Pixels of the prompts and then the tests, in one file; absent if an image of them is unreadable."""

    def __init__(
        self,
        folder: Path,
        unit: ScoreUnit,
        images: Mapping[str, NDArray[np.uint8]],
        errors: Mapping[str, str],
    ) -> None:
        started = time.perf_counter()
        self.folder, self.unreadable = folder, errors
        self.halved: Set[str] = frozenset()
        self.path, self.prompts = folder / "images.npy", len(unit.prompts)
        blank = np.zeros_like(next(iter(images.values())))
        rows = [blank if s.digest in errors else images[s.digest] for s in (*unit.prompts, *unit.tests)]
        np.save(self.path, np.stack(rows), allow_pickle=False)
        self.took = time.perf_counter() - started

    def parameters(self, part: PlannedPart) -> int:
        return 0

    def seconds(self, part: PlannedPart) -> float:
        return self.took

    def message(self, part: PlannedPart) -> dict[str, Any]:
        return {
            "kind": "images",
            "prompts": part.shots,
            "images": str(self.path),
            "first_query": self.prompts,
        }


@dataclass(frozen=True)
class Encodings:
    """Where the features of one encoder (by its key) are: in the store, or ``given`` as rows by image digest.

    ``errors``: why images have none, ``halved``: which were encoded with half the batch, by digest. ``sizes``: how
    many parameters the encoder's image and text sides have.
    """

    store: FeatureStore
    encoder: str
    errors: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, tuple[Rows, int]] = field(default_factory=dict)
    halved: Set[str] = frozenset()
    sizes: tuple[int, int] = (0, 0)


class FeatureInputs:
    """Features of the prompts and then the tests; distances per K.

    ``maps``: whether maps will be looked at; what they alone need is left out otherwise.
    """

    def __init__(self, folder: Path, unit: ScoreUnit, encodings: Encodings, *, maps: bool = False) -> None:
        self.folder, self.unit, self.maps = folder, unit, maps
        self.store, self.encoder, self.given = encodings.store, encodings.encoder, encodings.given
        self.sizes, self.halved = encodings.sizes, encodings.halved
        self.unreadable = errors = encodings.errors
        self.files: dict[str, str] = {}
        self.took: dict[str, float] = {}  # by file
        tests = unit.shown(unit.tests)
        if any(s.digest in errors for s in tests):
            return  # every part needs all tests: none will be scored
        # Parts that need a prompt that cannot be read will not be scored either.
        self.prompts = tuple(itertools.takewhile(lambda s: s.digest not in errors, unit.shown(unit.prompts)))
        wanted = [part.input for part in unit.parts if isinstance(part.input, FeatureInput)]
        self.tests, everything = tests, (*self.prompts, *tests)
        self._copy("class", everything)
        for name in sorted({each.stream(layer) for each in wanted if each.tokens for layer in each.layers}):
            self._copy(name, everything)
        compared = {name for each in wanted if each.nearest for name in _compared(each)}
        for name in sorted(compared) if self.prompts else ():
            self._nearest(name, sorted({self._shown(part) for part in unit.parts}))
        for size in sorted({size for each in wanted if not each.nearest for size in each.windows}):
            self._copy(f"window-{size}", everything)
        if any(each.text for each in wanted):
            started = time.perf_counter()
            texts = text_embeddings(self.store, self.encoder, unit.text)
            self._save("text", texts, started)
            for size in sorted({size for each in wanted if self._priors_for(each) for size in each.windows}):
                self._priors(f"window-{size}", texts)

    def message(self, part: PlannedPart) -> dict[str, Any]:
        wanted = part.input
        assert isinstance(wanted, FeatureInput)
        shown = self._shown(part)
        compared = wanted.nearest and shown > 0  # zero-shot: there is nothing to be near to
        layers = {str(layer): wanted.stream(layer) for layer in wanted.layers}
        windows = {str(size): f"window-{size}" for size in wanted.windows}

        def files(names: dict[str, str], asked: bool, end: str = "") -> dict[str, str]:
            return {n: self.files[name + end] for n, name in names.items()} if asked else {}

        return {
            "kind": "features",
            "prompts": shown,
            "first_query": len(self.prompts),
            "size": wanted.size,
            "class": self.files["class"],
            "tokens": files(layers, wanted.tokens),
            "windows": files(windows, not wanted.nearest),
            "nearest": files(layers, compared, f"-K{shown}"),
            "nearest_windows": files(windows, compared, f"-K{shown}"),
            "window_priors": files(windows, self._priors_for(wanted), "-prior"),
            "texts": self.files["text"] if wanted.text else None,
        }

    def _shown(self, part: PlannedPart) -> int:
        """How many images the detector is shown as prompts: K, or more where some are in tiles."""
        return len(self.unit.shown(part.prompts))

    def _rows(self, name: str, samples: Sequence[Sample]) -> NDArray[Any]:
        from gad.harness.features.shards import Stream

        stored = [s.digest for s in samples if s.digest not in self.given]
        kept = self.store.read(Stream(encoder=self.encoder, name=name), stored) if stored else None
        if kept is not None and len(stored) == len(samples):
            return kept
        following = iter(() if kept is None else kept)
        pairs = (self.given.get(s.digest) for s in samples)
        rows = [next(following) if pair is None else pair[0][name][pair[1]] for pair in pairs]
        return np.stack(rows)

    def parameters(self, part: PlannedPart) -> int:
        """Of the image side, and with it the text side if it is used."""
        assert isinstance(part.input, FeatureInput)
        return self.sizes[0] + (self.sizes[1] if part.input.text else 0)

    def seconds(self, part: PlannedPart) -> float:
        found = self.message(part).values()
        named = [each for value in found for each in (value.values() if isinstance(value, dict) else [value])]
        return sum(self.took.get(name, 0.0) for name in named if isinstance(name, str))

    def _copy(self, name: str, samples: Sequence[Sample]) -> None:
        started = time.perf_counter()
        self._save(name, self._rows(name, samples), started)

    def _save(self, name: str, rows: NDArray[Any], started: float, *, before: float = 0.0) -> None:
        """Write an array file; ``started``: when making the rows began, after ``before`` seconds of work."""
        self.files[name] = str(self.folder / f"{name}.npy")
        np.save(self.files[name], rows, allow_pickle=False)
        self.took[self.files[name]] = before + time.perf_counter() - started

    def _nearest(self, name: str, shots: list[int]) -> None:
        """Distances of every query patch or window to the nearest of the first K prompts, for each K."""
        from gad.harness.features.nearest import RunningNearest

        started = time.perf_counter()
        prompts = self._rows(name, self.prompts)
        found: dict[int, list[NDArray[np.float32]]] = {k: [] for k in shots}
        took = dict.fromkeys(shots, 0.0)  # until the first K prompts were looked at
        for start in range(0, len(self.tests), BLOCK):
            running = RunningNearest(self._rows(name, self.tests[start : start + BLOCK]))
            for number, prompt in enumerate(prompts, start=1):
                running.add(prompt)
                if number in found:
                    found[number].append(running.distance.numpy())
                    took[number] += time.perf_counter() - started
            started = time.perf_counter()
        for k, blocks in found.items():
            if blocks:
                self._save(f"{name}-K{k}", np.concatenate(blocks), time.perf_counter(), before=took[k])

    def _priors_for(self, wanted: FeatureInput) -> bool:
        return wanted.window_priors and self.maps

    def _priors(self, name: str, texts: NDArray[np.float32]) -> None:
        """Text priors of every query window; they are the same for every K."""
        started, tests = time.perf_counter(), self.tests
        blocks = [
            window_priors(self._rows(name, tests[start : start + BLOCK]), texts)
            for start in range(0, len(tests), BLOCK)
        ]
        self._save(f"{name}-prior", np.concatenate(blocks), started)


def _compared(wanted: FeatureInput) -> list[str]:
    """Streams whose rows are compared with those of the prompts."""
    return [
        *(wanted.stream(layer) for layer in wanted.layers),
        *(f"window-{size}" for size in wanted.windows),
    ]
