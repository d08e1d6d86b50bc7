"""Images through an encoder, in canonical batches."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gad.harness.errors import ModelError
from gad.harness.nouns import FeatureInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gad.models.backbones.encoder import Encoder

Rows = dict[str, "NDArray[Any]"]  # by stream name, one row an image

BATCH = 32  # images an encoder sees at once, always: a last batch is filled up


@dataclass
class Seconds:
    """What encoding took, loading the encoder left aside; None for what was not done.

    ``decode``: reading and resizing images. ``passes``: the encoder on whole images. ``windows``: the encoder on
    windows of patches.
    """

    decode: float | None = None
    passes: float | None = None
    windows: float | None = None


@dataclass
class Passes:
    """An encoder at work for an input. ``least``: see :func:`filled_up`. ``halves``: when memory has no room for a
    batch, try half of it, once.

    The last bits of a sum can change with the number of images that are summed at once (on GPUs they do), so
    ``halved`` has the numbers of the images that were encoded so: they are to be marked, and not to be kept as if
    they were what the encoder always gives.
    """

    encoder: Encoder
    wanted: FeatureInput
    halves: bool = False
    least: int = BATCH
    seconds: Seconds = field(default_factory=Seconds)
    halved: list[int] = field(default_factory=list)

    def run(self, pixels: NDArray[np.uint8], names: list[str]) -> Rows:
        """Encode uint8 ``[n, size, size, 3]`` in batches of one size, so that an image gets the same bits whatever is
        encoded with it.

        Only the streams in ``names`` are encoded. Windows are encoded image by image, so they need no filling up.
        Raises ModelError when memory has no room.
        """
        found: dict[str, list[NDArray[Any]]] = {}
        sizes = [size for size in self.wanted.windows if f"window-{size}" in names]
        for start in range(0, len(pixels), BATCH):
            batch = pixels[start : start + BATCH]
            both = self._images(start, batch, names)
            if sizes:
                began = time.perf_counter()
                both.update(self.encoder.windows(batch, sizes))
                self.seconds.windows = (self.seconds.windows or 0.0) + time.perf_counter() - began
            for name, rows in both.items():
                found.setdefault(name, []).append(rows[: len(batch)])
        return {name: np.concatenate(rows) for name, rows in found.items() if name in names}

    def _images(self, start: int, batch: NDArray[np.uint8], names: list[str]) -> Rows:
        """Class tokens and patch tokens of a batch and what it was filled up with; nothing if none are asked for."""
        layers = {layer: self.wanted.stream(layer) for layer in self.wanted.layers}
        layers = {layer: name for layer, name in layers.items() if name in names}
        if not layers and "class" not in names:
            return {}
        began = time.perf_counter()
        blank = filled_up(len(batch), self.least) - len(batch)
        filled = np.concatenate([batch, np.zeros((blank, *batch.shape[1:]), np.uint8)])
        given, short = self._attempt([filled], [*layers])
        if given is None and self.halves:
            given, short = self._attempt(np.split(filled, 2), [*layers])
            self.halved += range(start, start + len(batch))
        if given is None:
            raise ModelError(
                f"the machine ran out of memory encoding {len(filled)} images at once with {self.wanted.backbone}"
                + (f", and {len(filled) // 2} at once, too" if self.halves else "")
                + f": {short}",
                fix="Free memory, run fewer workers (--workers), or name a smaller encoder.",
            )
        self.seconds.passes = (self.seconds.passes or 0.0) + time.perf_counter() - began
        return {
            "class": given["class"],
            **{name: given[f"layer-{layer:02d}"] for layer, name in layers.items()},
        }

    def _attempt(self, batches: list[NDArray[np.uint8]], layers: list[int]) -> tuple[Rows | None, str]:
        """What the encoder gives, one batch after the other; None and what was said if memory ran out."""
        try:
            found = [self.encoder.images(batch, layers, normed=self.wanted.normed) for batch in batches]
        except Exception as error:
            if not out_of_memory(error):
                raise
            # Without the error itself: its traceback would hold on to the arrays that are to be freed.
            return None, str(error).strip().partition("\n")[0]
        return {name: np.concatenate([rows[name] for rows in found]) for name in found[0]}, ""


def filled_up(count: int, least: int) -> int:
    """How many images a batch of ``count`` is filled up to: a power of two from ``least`` to BATCH.

    Products of few rows may be summed up in another order, so grids fill every batch to BATCH.

    >>> [filled_up(count, 16) for count in (1, 8, 17, 32)], filled_up(1, BATCH)
    ([16, 16, 32, 32], 32)
    """
    return max(least, 1 << (count - 1).bit_length())


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's, NumPy's, or torch's on a GPU or a CPU."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or "DefaultCPUAllocator" in str(error)
