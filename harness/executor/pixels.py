"""Pixel metrics of a part: its maps against the masks of its test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gad.harness.errors import DataError
from gad.harness.images import mask_digest, mask_paths, mask_pixels, open_mask
from gad.harness.nouns import ImageInput, PixelResult, Sample
from gad.harness.pixelmetrics import summary

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class View:
    """Where images lie, and how a detector sees them."""

    root: str
    seen: ImageInput


@dataclass(frozen=True)
class Pixels:
    """Maps float32 ``[n, h, w]`` of the images ``samples``."""

    maps: NDArray[np.float32]
    samples: tuple[Sample, ...]
    view: View


def together(slices: Sequence[Pixels]) -> Pixels:
    """One category of all its slices, whose maps have one size, in order."""
    return Pixels(
        maps=np.concatenate([each.maps for each in slices]),
        samples=tuple(sample for each in slices for sample in each.samples),
        view=slices[0].view,
    )


def measure(pixels: Pixels) -> PixelResult:
    """Pixel metrics. Raises DataError, naming the file, for a mask that cannot be read or has changed."""
    return summary(pixels.maps, _masks(pixels.samples, pixels.view))


@lru_cache(maxsize=1)
def _masks(samples: tuple[Sample, ...], view: View) -> NDArray[np.bool_]:
    """Masks ``[n, size, size]`` as their images are seen, empty for images without one.

    The last ones are kept: all K and methods of a category look at the same.
    """
    root, size = Path(view.root), view.seen.size
    masks = np.zeros((len(samples), size, size), dtype=bool)
    for sample, mask in zip(samples, masks, strict=True):
        if sample.mask:
            _unchanged(sample, root)
            mask[:] = mask_pixels(open_mask(root, sample), view.seen)
    return masks


def _unchanged(sample: Sample, root: Path) -> None:
    files = [root / name for name in mask_paths(sample.mask)]
    try:
        found = mask_digest(file.read_bytes() for file in files)
    except OSError as error:
        raise DataError(
            f"cannot read the mask of {sample.id}: {error.strerror or error} ({error.filename})",
            fix="Restore the file, or leave `pixel_metrics` away.",
        ) from error
    if sample.mask_digest and found != sample.mask_digest:
        raise DataError(
            f"the mask of {sample.id} ({files[0]}) changed since the dataset was prepared",
            fix="Prepare the dataset again (`harness data prepare`).",
        )
