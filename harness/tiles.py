"""Long images in several squares (``resize: tile``), and one score and one map of them again.

An image that is not square is shown as so many squares of its short side as cover it, evenly spaced along the
long side (so they overlap). Every tile of a prompt is a prompt, every tile of a query a query; an image is as
anomalous as its worst tile. Which part of an anomalous image is anomalous is not known: trainings are not shown tiles.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gad.harness.errors import DataError
from gad.harness.nouns import Box, FeatureInput, ImageInput, Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 64  # tiles of an image; AITEX, the longest of the paper's, would have 16
Tiles = dict[str, tuple[Box, ...]]  # by the digest of the image, of those that have more than one


def boxes(width: int, height: int) -> tuple[Box, ...]:
    """The squares of an image of so many pixels, from left to right or from top to bottom.

    >>> boxes(50, 20)
    ((0, 0, 20, 20), (15, 0, 35, 20), (30, 0, 50, 20))
    >>> boxes(20, 21)
    ((0, 0, 20, 20), (0, 1, 20, 21))
    >>> boxes(20, 20)
    ((0, 0, 20, 20),)
    """
    side, room = min(width, height), abs(width - height)
    count = -(-max(width, height) // side)
    starts = [round(room * number / max(1, count - 1)) for number in range(count)]
    if width > height:
        return tuple((start, 0, start + side, side) for start in starts)
    return tuple((0, start, side, start + side) for start in starts)


def find(samples: Iterable[Sample], root: Path) -> Tiles:
    """Tiles of those samples that are not square. Reads their headers; one that cannot be read is left whole,
    for the error belongs to its decoding. Raises DataError for an image that has more than MOST.
    """
    from gad.harness.images import image_size

    found: Tiles = {}
    for sample in samples:
        if sample.digest in found:
            continue
        try:
            wide, high = image_size(root, sample)
        except DataError:
            continue
        if wide != high and min(wide, high) > 0:
            if max(wide, high) > MOST * min(wide, high):
                raise DataError(
                    f"{root / sample.path} ({sample.id}) has {wide} x {high} pixels, and an image is cut into at most "
                    f"{MOST} tiles",
                    fix="Leave it out, or use another `resize`.",
                )
            found[sample.digest] = boxes(wide, high)
    return found


def shown(samples: Iterable[Sample], tiles: Mapping[str, tuple[Box, ...]]) -> tuple[Sample, ...]:
    """Samples with the long ones replaced by their tiles, in order. A tile has its image's id."""
    return tuple(itertools.chain.from_iterable(_of(sample, tiles) for sample in samples))


def _of(sample: Sample, tiles: Mapping[str, tuple[Box, ...]]) -> Iterator[Sample]:
    from gad.harness.images import crop_digest

    if sample.digest not in tiles:
        yield sample
    for box in tiles.get(sample.digest, ()):
        yield sample.model_copy(update={"tile": box, "digest": crop_digest(sample.digest, box)})


def scores(
    found: Sequence[float], samples: Sequence[Sample], tiles: Mapping[str, tuple[Box, ...]]
) -> list[float]:
    """An image's score is the highest of its tiles; ``found`` are finite, in the order of :func:`shown`."""
    following = iter(found)
    return [max(itertools.islice(following, len(tiles.get(s.digest, (None,))))) for s in samples]


def maps(
    found: NDArray[np.float32], samples: Sequence[Sample], tiles: Mapping[str, tuple[Box, ...]]
) -> NDArray[np.float32]:
    """Maps ``[n, h, w]`` of whole images, made to fit ``[h, w]``; where tiles overlap the higher value holds.

    ``found``: maps of the tiles in the order of :func:`shown`.
    """
    import numpy as np

    if not tiles:
        return found
    following, whole = iter(found), []
    for sample in samples:
        own = tiles.get(sample.digest)
        whole.append(_joined(list(itertools.islice(following, len(own))), own) if own else next(following))
    return np.stack(whole)


def _joined(found: Sequence[NDArray[np.float32]], places: Sequence[Box]) -> NDArray[np.float32]:
    """One map of an image's tiles, as large as each of them."""
    import numpy as np
    from PIL import Image

    high, wide = found[0].shape
    side = places[0][2] - places[0][0]
    down = [round(top * high / side) for _, top, _, _ in places]
    right = [round(left * wide / side) for left, _, _, _ in places]
    canvas = np.full((down[-1] + high, right[-1] + wide), -np.inf, np.float32)
    for one, top, left in zip(found, down, right, strict=True):
        part = canvas[top : top + high, left : left + wide]
        np.maximum(part, one, out=part)
    # Bilinear over all that falls together in a pixel: Pillow's way of making smaller.
    return np.asarray(Image.fromarray(canvas).resize((wide, high), Image.Resampling.BILINEAR))


def whole(seen: ImageInput, wanted: ImageInput | FeatureInput) -> ImageInput:
    """How an image is seen as the maps cover it: of tiles, all of it, made to fit the square."""
    if isinstance(wanted, FeatureInput) and wanted.resize == "tile":
        return seen.model_copy(update={"resize": "squash"})
    return seen
