"""Decoding a chunk of images for one input. Runs in a worker; knows nothing of Ray."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gad.harness.errors import DataError
from gad.harness.images import open_image, to_pixels
from gad.harness.units import EncodeUnit

if TYPE_CHECKING:
    from numpy.typing import NDArray


def encode(unit: EncodeUnit) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """uint8 ``[n, size, size, 3]`` in the order of ``unit.samples``, and errors by image digest.

    An image that cannot be read leaves zeros in its row and an entry among the errors: it fails the
    parts that need it, and no others.
    """
    size = unit.input.size
    pixels = np.zeros((len(unit.samples), size, size, 3), dtype=np.uint8)
    errors: dict[str, str] = {}
    for row, sample in enumerate(unit.samples):
        try:
            pixels[row] = to_pixels(open_image(Path(unit.root), sample), unit.input)
        except DataError as error:
            errors[sample.digest] = str(error)
    return pixels, errors
