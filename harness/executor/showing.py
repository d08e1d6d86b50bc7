"""Making what one training is shown, outside of a grid: its images are decoded, or encoded into a cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gad.harness.chunks import CHUNK_IMAGES
from gad.harness.executor.decode import pixels_of
from gad.harness.executor.encode import encode, open_store, torch_threads
from gad.harness.executor.shown import Shown, ShownFeatures, ShownImages
from gad.harness.nouns import ImageInput
from gad.harness.units import EncodeUnit, TrainUnit


def show(
    unit: TrainUnit,
    root: Path,
    cache: Path,
    threads: int,
    *,
    device: str = "cpu",
    tell: Callable[[str], None] = lambda text: None,
) -> Shown:
    """Decode or encode the unit's samples, whose files are in ``root``; what the cache has is not encoded again.

    Raises ModelError when the encoder has no room in memory: nothing is trained on features of smaller batches.
    """
    torch_threads(threads)
    distinct = tuple({sample.digest: sample for sample in unit.samples}.values())
    if isinstance(unit.input, ImageInput):
        pixels, errors = pixels_of(distinct, root, unit.input)
        tell(f"decoded {len(distinct)} images")
        images: dict[str, np.ndarray] = {s.digest: rows for s, rows in zip(distinct, pixels, strict=True)}
        return ShownImages(images, errors)
    names = tuple(dict.fromkeys(text for _, text in unit.texts)) if unit.input.text else ()
    key, errors = "", {}
    for start in range(0, len(distinct), CHUNK_IMAGES):
        chunk = EncodeUnit(
            unit_id="",
            dataset=unit.dataset,
            root=str(root),
            input=unit.input,
            samples=distinct[start : start + CHUNK_IMAGES],
            names=() if start else names,
        )
        done = encode(chunk, cache, threads, device)
        key = done.key
        errors.update(done.errors)
        tell(f"encoded {min(start + CHUNK_IMAGES, len(distinct))} of {len(distinct)} images")
    return ShownFeatures(open_store(cache), key, errors, threads)
