"""Decoding a chunk of images, or running it through an encoder. Runs in a worker; knows nothing of Ray."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gad.harness import ids
from gad.harness.errors import DataError
from gad.harness.features.shards import Stream
from gad.harness.features.store import FeatureStore
from gad.harness.images import open_image, to_pixels
from gad.harness.nouns import ENCODER_VERSION, PIXELS_VERSION, FeatureInput, ImageInput, Sample
from gad.harness.units import EncodeUnit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gad.models.backbones.clip import ClipEncoder

BATCH = 32  # images an encoder sees at once, always: a last batch is filled up


def decode(unit: EncodeUnit) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """uint8 ``[n, size, size, 3]`` in the order of ``unit.samples``, and errors by image digest.

    An image that cannot be read leaves zeros in its row and an entry among the errors: it fails the
    parts that need it, and no others.
    """
    assert isinstance(unit.input, ImageInput)
    return pixels_of(unit.samples, Path(unit.root), unit.input)


def pixels_of(
    samples: Iterable[Sample], root: Path, wanted: ImageInput
) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """Pixels and errors of some samples; see :func:`decode`."""
    chosen = list(samples)
    pixels = np.zeros((len(chosen), wanted.size, wanted.size, 3), dtype=np.uint8)
    errors: dict[str, str] = {}
    for row, sample in enumerate(chosen):
        try:
            pixels[row] = to_pixels(open_image(root, sample), wanted)
        except DataError as error:
            errors[sample.digest] = str(error)
        except Exception as error:  # one strange image must not take its whole chunk along
            errors[sample.digest] = f"cannot prepare {root / sample.path}: {type(error).__name__}: {error}"
    return pixels, errors


def encode(unit: EncodeUnit, cache: Path, threads: int) -> tuple[str, dict[str, str], int]:
    """Put a chunk's missing features into the store.

    Returns the encoder's key in the store, errors by image digest, and how many images were encoded.
    """
    wanted = unit.input
    assert isinstance(wanted, FeatureInput)
    encoder = encoder_of(wanted.backbone, wanted.weights, threads)
    key, store = encoder_key(encoder), open_store(cache)
    kinds = ["class", *(f"layer-{layer:02d}" for layer in wanted.layers)]
    kinds += [f"window-{size}" for size in wanted.windows]
    streams = {name: Stream(encoder=key, name=name) for name in kinds}
    digests = [sample.digest for sample in unit.samples]
    missing = {digest for stream in streams.values() for digest in store.missing(stream, digests)}
    chosen = [sample for sample in unit.samples if sample.digest in missing]
    pixels, errors = pixels_of(chosen, Path(unit.root), encoder.input)
    good = [row for row, sample in enumerate(chosen) if sample.digest not in errors]
    if good:
        found = _batches(encoder, pixels[good], wanted)
        names = [chosen[row].digest for row in good]
        for name, stream in streams.items():
            lacking = set(store.missing(stream, names))  # a row that is stored is not stored twice
            rows = [row for row, digest in enumerate(names) if digest in lacking]
            if rows:
                store.write(stream, [names[row] for row in rows], found[name][rows])
    _texts(encoder, store, key, unit.names)
    return key, errors, len(good)


def _batches(
    encoder: ClipEncoder, pixels: NDArray[np.uint8], wanted: FeatureInput
) -> dict[str, NDArray[Any]]:
    """Encode in batches of one size, so that the same images in the same order give the same bits.

    Windows are encoded image by image, so they need no filling up.
    """
    found: dict[str, list[NDArray[Any]]] = {}
    for start in range(0, len(pixels), BATCH):
        batch = pixels[start : start + BATCH]
        filled = np.concatenate([batch, np.zeros((BATCH - len(batch), *batch.shape[1:]), np.uint8)])
        both = {**encoder.images(filled, wanted.layers), **encoder.windows(batch, wanted.windows)}
        for name, rows in both.items():
            found.setdefault(name, []).append(rows[: len(batch)])
    return {name: np.concatenate(rows) for name, rows in found.items()}


def _texts(encoder: ClipEncoder, store: FeatureStore, key: str, names: Iterable[str]) -> None:
    """Embed the text prompts of some class names, sentence by sentence, each once."""
    from gad.models.clip_text import prompts_for

    stream = Stream(encoder=key, name="text")
    lines = [line for name in names for group in prompts_for(name) for line in group]
    by_digest = {text_digest(line): line for line in lines}
    missing = store.missing(stream, list(by_digest))
    if missing:
        store.write(stream, missing, encoder.texts([by_digest[digest] for digest in missing]))


def text_digest(line: str) -> str:
    return ids.digest(["text", line])


def encoder_key(encoder: ClipEncoder) -> str:
    """Key of an encoder's features: weights, code, preprocessing, precision. Images are 8-bit when they come."""
    return ids.short_id(
        "encoder",
        {
            "weights": encoder.digest,
            "code": ENCODER_VERSION,
            "input": encoder.input.model_dump(),
            "mean": encoder.mean.flatten().tolist(),
            "std": encoder.std.flatten().tolist(),
            "images": PIXELS_VERSION,
            "precision": "fp32",
        },
    )


@lru_cache(maxsize=1)
def encoder_of(backbone: str, weights: str, threads: int) -> ClipEncoder:
    """The encoder of this worker process, loaded once. ``weights`` tells a changed file from its old self."""
    from gad.models.backbones import clip
    from gad.models.backbones.spec import parse

    del weights
    torch_threads(threads)
    return clip.load(parse(backbone))


def torch_threads(threads: int) -> None:
    """Fix torch's threads: their number can change the last bit of a sum."""
    import torch

    torch.set_num_threads(threads)


@lru_cache(maxsize=1)
def open_store(cache: Path) -> FeatureStore:
    return FeatureStore(cache / "features")
