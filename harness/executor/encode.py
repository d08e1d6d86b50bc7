"""Running a chunk of images through an encoder. Runs in a worker; knows nothing of Ray."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gad.harness import ids
from gad.harness.executor.decode import pixels_of, shared_pixels
from gad.harness.executor.passes import BATCH, Passes, Rows, Seconds
from gad.harness.features.known import remember
from gad.harness.features.shards import Stream
from gad.harness.features.store import FeatureStore, MissingFeatures
from gad.harness.nouns import (
    ENCODER_VERSION,
    PIXELS_VERSION,
    FeatureInput,
    GridResize,
    ImageInput,
    Precision,
)
from gad.harness.units import EncodeUnit

if TYPE_CHECKING:
    from gad.models.backbones.encoder import Encoder

DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class Encoding:
    """What came of a chunk: the encoder's ``key`` in the store, its number of ``parameters`` (image side, text
    side), how images are ``seen``, ``errors`` by image digest, how many images were encoded, and for a chunk that
    is not kept its rows: a mapping from stream name to rows in the order of ``unit.samples`` (zeros for
    images with an error).

    ``halved``: digests of images that were encoded with half the batch. They are never in the store, so a chunk
    that has some comes with its rows. ``count``: of images, however many tiles they have.
    """

    key: str
    seen: ImageInput
    parameters: tuple[int, int]
    errors: dict[str, str]
    count: int
    seconds: Seconds
    rows: Rows | None = None
    halved: tuple[str, ...] = ()


def encode(
    unit: EncodeUnit,
    cache: Path,
    threads: int,
    device: str = "cpu",
    least: int = BATCH,
    *,
    halves: bool = False,
) -> Encoding:
    """Encode what the feature store lacks of a chunk, and put it there if the chunk is to be kept.

    Texts are always kept. ``least``: see :func:`gad.harness.executor.passes.filled_up`; below BATCH for a handful
    of images alone. ``halves``: try half the batch where memory has no room for it; for callers that mark what
    they make of such images. Raises ModelError when memory runs out.
    """
    wanted = unit.input
    assert isinstance(wanted, FeatureInput)
    encoder = encoder_of(wanted, threads, device)
    key, store = encoder_key(encoder, wanted.resize), open_store(cache)
    remember(cache, wanted, key)
    streams = {name: Stream(encoder=key, name=name) for name in stream_names(wanted)}
    digests = [sample.digest for sample in unit.samples]
    lacking = {name: set(store.missing(stream, digests)) for name, stream in streams.items()}
    chosen = [s for s in unit.samples if any(s.digest in absent for absent in lacking.values())]
    look, root = seen_by(encoder, wanted.resize), Path(unit.root)
    passes, started = Passes(encoder, wanted, halves, least), time.perf_counter()
    if unit.shared and unit.keep:
        pixels, errors = shared_pixels(store, chosen, root, look)
    else:
        pixels, errors = pixels_of(chosen, root, look)
    passes.seconds.decode = time.perf_counter() - started
    good = [row for row, sample in enumerate(chosen) if sample.digest not in errors]
    names = [chosen[row].digest for row in good]
    found = passes.run(pixels[good], [name for name in streams if lacking[name]])
    halved = {names[row] for row in passes.halved}
    _texts(encoder, store, key, unit.names)
    if unit.keep:
        for name, encoded in found.items():
            # A row that is stored is not stored twice.
            rows = [
                row for row, digest in enumerate(names) if digest in lacking[name] and digest not in halved
            ]
            if rows:
                store.write(streams[name], [names[row] for row in rows], encoded[rows])
    together = None
    if halved or not unit.keep:
        try:
            together = _together(store, streams, digests, names, found, errors)
        except MissingFeatures:  # a damaged shard was set aside: now its rows are known to be missing
            return encode(unit, cache, threads, device, least, halves=halves)
    return Encoding(
        key,
        look,
        encoder.parameters,
        errors,
        len({chosen[row].id for row in good}),  # of tiles their images
        passes.seconds,
        together,
        tuple(halved),
    )


def stream_names(wanted: FeatureInput) -> list[str]:
    """The kinds of rows that an input is made from."""
    layers = [wanted.stream(layer) for layer in wanted.layers if wanted.tokens or wanted.nearest]
    return ["class", *layers, *(f"window-{size}" for size in wanted.windows)]


def _together(
    store: FeatureStore,
    streams: dict[str, Stream],
    digests: list[str],
    encoded: list[str],
    found: Rows,
    errors: dict[str, str],
) -> Rows:
    """All rows of a chunk: those just encoded, and the others from the store."""
    fresh = {digest: row for row, digest in enumerate(encoded)}
    stored = [digest for digest in digests if digest not in fresh and digest not in errors]
    together: Rows = {}
    for name, stream in streams.items():
        # Rows of a stream that lacked none were not encoded again: they are all in the store.
        own = fresh if name in found else {}
        rest = stored if own else [digest for digest in digests if digest not in errors]
        parts = [found[name]] if own else []
        parts += [store.read(stream, rest)] if rest else []
        place = {**own, **{digest: len(own) + row for row, digest in enumerate(rest)}}
        rows = np.concatenate(parts) if parts else np.zeros((1, 1), np.float32)  # no image could be read
        together[name] = np.zeros((len(digests), *rows.shape[1:]), rows.dtype)
        for row, digest in enumerate(digests):
            if digest in place:
                together[name][row] = rows[place[digest]]
    return together


def _texts(encoder: Encoder, store: FeatureStore, key: str, names: Iterable[str]) -> None:
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


def seen_by(encoder: Encoder, resize: GridResize) -> ImageInput:
    """The pixels an encoder gets: prepared its own way, or (not ``crop``) with all of an image in the square.

    A ``tile`` is a square already; what is not (an image for training) has its centre cut out.
    """
    if resize == "crop":
        return encoder.input
    how = "crop" if resize == "tile" else resize
    return encoder.input.model_copy(update={"resize": how, "short": 0})


def encoder_key(encoder: Encoder, resize: GridResize = "crop", device: str = "") -> str:
    """Key of an encoder's features: weights, code, preprocessing, precision. Images are 8-bit when they come.

    ``device``: the kind of device that computes them, the encoder's own unless another is named.
    """
    device = device or encoder.device.type
    return ids.short_id(
        "encoder",
        {
            "weights": encoder.digest,
            "code": ENCODER_VERSION,
            "input": seen_by(encoder, resize).model_dump(),
            "mean": encoder.mean.flatten().tolist(),
            "std": encoder.std.flatten().tolist(),
            "images": PIXELS_VERSION,
            "precision": encoder.precision,
            # The last bits differ from one kind of device to another; what was kept before there were
            # others came from a CPU.
            **({} if device == "cpu" else {"device": device}),
        },
    )


def encoder_of(wanted: FeatureInput, threads: int, device: str = "cpu") -> Encoder:
    """The encoder of this worker process, loaded once. A weights file that was changed is another one."""
    return _encoder(wanted.backbone, wanted.weights, wanted.precision, threads, device)


@lru_cache(maxsize=1)
def _encoder(backbone: str, _weights: str, precision: Precision, threads: int, device: str) -> Encoder:
    torch_threads(threads)
    encoder = _loaded(backbone)
    encoder.place(device, precision)
    return encoder


def _loaded(backbone: str) -> Encoder:
    from gad.models.backbones.spec import parse

    spec = parse(backbone)
    if spec.family == "timm":
        from gad.models.backbones import timm_encoder

        return timm_encoder.load(spec)
    from gad.models.backbones import clip

    return clip.load(spec)


def torch_threads(threads: int) -> None:
    """Fix torch's threads: their number can change the last bit of a sum."""
    import torch

    torch.set_num_threads(threads)


@lru_cache(maxsize=1)
def open_store(cache: Path) -> FeatureStore:
    return FeatureStore(cache / "features")
