"""What a training is given: arrays in files that its process maps read-only. Written once, by the parent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gad.harness.executor.given import backbone_digest
from gad.harness.executor.texts import text_embeddings
from gad.harness.features.shards import Stream
from gad.harness.nouns import FeatureInput
from gad.harness.units import TrainUnit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gad.harness.features.store import FeatureStore


class Shown(Protocol):
    """An auxiliary set, ready to be written. ``errors``: by digest of images that cannot be read.

    ``encoder``: its key in the feature store, empty for images. ``about``: what the checkpoint is to say beside
    what every one does. ``write``: puts arrays into files, and says where.
    """

    errors: Mapping[str, str]
    encoder: str

    def about(self, unit: TrainUnit) -> dict[str, Any]: ...

    def write(self, folder: Path, unit: TrainUnit) -> dict[str, Any]: ...


class ShownImages:
    """Pixels of the auxiliary set: ``images`` are uint8 ``[size, size, 3]`` by image digest."""

    encoder = ""

    def __init__(self, images: Mapping[str, NDArray[np.uint8]], errors: Mapping[str, str]) -> None:
        self.images, self.errors = images, errors

    def about(self, unit: TrainUnit) -> dict[str, Any]:
        return {}

    def write(self, folder: Path, unit: TrainUnit) -> dict[str, Any]:
        """One after the other: all of them a second time in memory may be more than there is."""
        path, size = folder / "images.npy", unit.input.size
        shape = (len(unit.samples), size, size, 3)
        pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        for row, sample in enumerate(unit.samples):
            pixels[row] = self.images[sample.digest]
        pixels.flush()
        return {"kind": "images", "images": str(path), **_labels(folder, unit)}


class ShownFeatures:
    """Features of the auxiliary set, from the store; ``threads`` are those of the encoder."""

    def __init__(self, store: FeatureStore, encoder: str, errors: Mapping[str, str], threads: int) -> None:
        self.store, self.encoder, self.errors, self.threads = store, encoder, errors, threads

    def about(self, unit: TrainUnit) -> dict[str, Any]:
        assert isinstance(unit.input, FeatureInput)
        return {"backbone_digest": backbone_digest(unit.input, self.threads)}

    def write(self, folder: Path, unit: TrainUnit) -> dict[str, Any]:
        """Layers one by one, for they are large."""
        wanted = unit.input
        assert isinstance(wanted, FeatureInput)
        texts = None
        if wanted.text:
            embedded = [text_embeddings(self.store, self.encoder, text) for _, text in unit.texts]
            texts = _file(folder, "texts", np.stack(embedded))
        layers = wanted.layers if wanted.tokens else ()
        return {
            "kind": "features",
            "class": self._copy(folder, "class", unit),
            "tokens": {str(layer): self._copy(folder, wanted.stream(layer), unit) for layer in layers},
            "texts": texts,
            "tower": self._tower(wanted),
            **_labels(folder, unit),
        }

    def _copy(self, folder: Path, name: str, unit: TrainUnit) -> str:
        digests = [sample.digest for sample in unit.samples]
        return _file(folder, name, self.store.read(Stream(encoder=self.encoder, name=name), digests))

    def _tower(self, wanted: FeatureInput) -> dict[str, Any] | None:
        """Which encoder's text tower the training process is to load, if any."""
        if not wanted.text_tower:
            return None
        return {"wanted": wanted.model_dump(mode="json"), "threads": self.threads}


def _labels(folder: Path, unit: TrainUnit) -> dict[str, Any]:
    """What is known of the samples, whatever is looked at of them."""
    names = [category for category, _ in unit.texts]
    arrays = {
        "ids": np.array([sample.id for sample in unit.samples]),
        "splits": np.array([sample.split == "test" for sample in unit.samples], dtype=np.int8),
        "labels": np.array([sample.label for sample in unit.samples], dtype=np.int8),
        "categories": np.array([names.index(sample.category) for sample in unit.samples], dtype=np.int64),
    }
    return {"names": names, **{name: _file(folder, name, rows) for name, rows in arrays.items()}}


def _file(folder: Path, name: str, rows: NDArray[Any]) -> str:
    path = folder / f"{name}.npy"
    np.save(path, rows, allow_pickle=False)
    return str(path)
