"""Decoding and resizing images, on threads; and keeping what another encoder will want to see as well."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gad.harness import atomic, ids
from gad.harness.errors import DataError
from gad.harness.features.shards import Stream
from gad.harness.features.store import FeatureStore, MissingFeatures
from gad.harness.images import open_image, to_pixels
from gad.harness.nouns import PIXELS_VERSION, ImageInput, Sample
from gad.harness.units import EncodeUnit

if TYPE_CHECKING:
    from numpy.typing import NDArray

DECODERS = min(4, len(os.sched_getaffinity(0)))  # a worker's threads: cores that are idle else decode along


def decode(unit: EncodeUnit) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """uint8 ``[n, size, size, 3]`` in the order of ``unit.samples``, and errors by image digest.

    An image that cannot be read leaves zeros in its row and an entry among the errors: it fails the
    parts that need it, and no others.
    """
    assert isinstance(unit.input, ImageInput)
    return pixels_of(unit.samples, Path(unit.root), unit.input)


def pixels_of(
    samples: Iterable[Sample], root: Path, wanted: ImageInput, threads: int = DECODERS
) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """Pixels and errors of some samples; see :func:`decode`. Decoded by so many threads, in any order."""
    chosen = list(samples)
    pixels = np.zeros((len(chosen), wanted.size, wanted.size, 3), dtype=np.uint8)

    def fill(row: int) -> str:
        sample = chosen[row]
        try:
            pixels[row] = to_pixels(open_image(root, sample), wanted)
        except DataError as error:
            return str(error)
        except Exception as error:  # one strange image must not take its whole chunk along
            return f"cannot prepare {root / sample.path}: {type(error).__name__}: {error}"
        return ""

    with ThreadPoolExecutor(threads) as pool:  # Pillow lets other threads run while it decodes and resizes
        told = list(pool.map(fill, range(len(chosen))))
    return pixels, {sample.digest: text for sample, text in zip(chosen, told, strict=True) if text}


def shared_pixels(
    store: FeatureStore, samples: Sequence[Sample], root: Path, wanted: ImageInput
) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """As :func:`pixels_of`, but kept in the store, for another encoder that sees images the same way.

    One process at a time decodes a chunk; one that waited for it finds the pixels there.
    """
    key = ids.short_id("pixels", {"input": wanted.model_dump(), "images": PIXELS_VERSION})
    stream, digests = Stream(encoder=key, name="pixels"), [sample.digest for sample in samples]
    with atomic.folder_lock(store.folder / f".pixels-{ids.digest([key, *digests])[:2]}"):  # seldom the same
        absent = set(store.missing(stream, digests))
        lacking = [sample for sample in samples if sample.digest in absent]
        found, errors = pixels_of(lacking, root, wanted)
        good = [row for row, sample in enumerate(lacking) if sample.digest not in errors]
        if good:
            store.write(stream, [lacking[row].digest for row in good], found[good])
    pixels = np.zeros((len(samples), wanted.size, wanted.size, 3), dtype=np.uint8)
    kept = [row for row, digest in enumerate(digests) if digest not in errors]
    try:
        pixels[kept] = store.read(stream, [digests[row] for row in kept]) if kept else 0
    except MissingFeatures:  # a damaged shard was set aside
        return pixels_of(samples, root, wanted)
    return pixels, errors
