"""What encode tasks leave for the tasks that follow: chunks of images, as pixels or as features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gad.harness.executor.encode import encode, open_store, torch_threads
from gad.harness.executor.inputs import Encodings, FeatureInputs, Inputs, PixelInputs
from gad.harness.executor.order import Order, looks_at_maps
from gad.harness.executor.passes import BATCH, Rows
from gad.harness.executor.shown import ShownFeatures, ShownImages
from gad.harness.executor.train import train
from gad.harness.features.store import MissingFeatures
from gad.harness.nouns import Frozen, ImageInput
from gad.harness.store.records import TaskRecord
from gad.harness.units import EncodeUnit, ScoreUnit, TrainUnit

MOST_STREAMS = 32  # more than any method reads

T = TypeVar("T")


class Encoded(Frozen):
    """What came of an encode task: errors by image digest, how images were ``seen``, and for features the
    encoder's store key, its number of parameters (image side, text side) and the digests of images that were
    encoded with half the batch."""

    record: TaskRecord
    seen: ImageInput
    errors: dict[str, str]
    encoder: str = ""
    parameters: tuple[int, int] = (0, 0)
    halved: tuple[str, ...] = ()


class Chunks:
    """``given`` repeats (encode unit, pixels or rows or None, Encoded) for each chunk, as Ray passes them on.

    Rows are None where they are in the store. A training that needs no images has no chunk.
    """

    def __init__(self, given: Sequence[Any], order: Order) -> None:
        self.order, self.cache = order, Path(order.cache)
        self.units: list[EncodeUnit] = list(given[::3])
        self.rows: list[Any] = list(given[1::3])
        ended: list[Encoded] = list(given[2::3])
        self.ended = ended
        self.errors = {digest: text for encoded in ended for digest, text in encoded.errors.items()}
        self.halved = {digest for encoded in ended for digest in encoded.halved}

    def train(self, unit: TrainUnit) -> str:
        """Train on the chunks' images or features; "" or what went wrong."""
        if self.halved:
            return (
                f"encoding the auxiliary set {unit.dataset} ran out of memory with {BATCH} images at once. With half "
                "as many it went, but nothing is trained on features whose last bits may be others"
            )
        torch_threads(self.order.threads)
        if not self.units or isinstance(self.units[0].input, ImageInput):
            return train(unit, self.order, ShownImages(self._pixels(), self.errors))
        shown = ShownFeatures(open_store(self.cache), self.ended[0].encoder, self.errors, self.order.threads)
        return self._looked(lambda: train(unit, self.order, shown), halves=False)

    def inputs(self, folder: Path, unit: ScoreUnit) -> Inputs:
        """What the parts of a unit see, written into ``folder``."""
        if isinstance(unit.input, ImageInput):
            return PixelInputs(folder, unit, self._pixels(), self.errors)
        torch_threads(self.order.threads)
        store, first = open_store(self.cache), self.ended[0]
        maps = looks_at_maps(unit, self.order)

        def look() -> Inputs:
            given = self._given()
            found = Encodings(store, first.encoder, self.errors, given, self.halved, first.parameters)
            return FeatureInputs(folder, unit, found, maps=maps)

        return self._looked(look, halves=True)

    def _pixels(self) -> dict[str, np.ndarray]:
        """Decoded pixels by image digest: views, not copies."""
        return {
            sample.digest: image
            for unit, pixels in zip(self.units, self.rows, strict=True)
            for sample, image in zip(unit.samples, pixels, strict=True)
        }

    def _given(self) -> dict[str, tuple[Rows, int]]:
        """Rows by image digest of the chunks that came with theirs."""
        return {
            sample.digest: (rows, row)
            for unit, rows in zip(self.units, self.rows, strict=True)
            if rows is not None
            for row, sample in enumerate(unit.samples)
        }

    def _looked(self, look: Callable[[], T], *, halves: bool) -> T:
        """What ``look`` finds in the store. When rows are missing (a damaged shard was set aside, or this node does
        not see the others' store) they are encoded again here; each look may come upon another damaged stream."""
        for _ in range(MOST_STREAMS):
            try:
                return look()
            except MissingFeatures:
                self._encode_again(halves)
        return look()

    def _encode_again(self, halves: bool) -> None:
        order = self.order
        for number, unit in enumerate(self.units):
            if unit.keep:
                done = encode(unit, self.cache, order.threads, order.device, halves=halves)
                self.rows[number] = done.rows
                self.halved.update(done.halved)
