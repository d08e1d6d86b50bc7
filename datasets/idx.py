"""Files in MNIST's idx format, as they are or in gzip."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gad.harness.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GZIP = b"\x1f\x8b"
MOST_BYTES = 1_000_000_000  # a small gzip file can unpack to anything
LABELS, IMAGES = 1, 3  # dimensions


def read(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array in a file: ``[n]`` of labels, or ``[n, height, width]`` of images. DataError if it is damaged."""
    import numpy as np

    content = _content(path)
    if content[:4] != bytes([0, 0, 8, dimensions]):
        raise _damaged(path, f"it does not start as an idx file of bytes in {dimensions} dimension(s) does")
    start = 4 + 4 * dimensions
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    wanted = start + math.prod(shape)
    if len(content) != wanted or 0 in shape:
        raise _damaged(
            path, f"it has {len(content)} bytes, and {wanted} for the shape {shape} that it claims"
        )
    array: NDArray[np.uint8] = np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    return array


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as raw:
            start = raw.read(2)
            raw.seek(0)
            # By its content: some mirrors unpack a file and leave its name, or the reverse.
            opened: Any = gzip.GzipFile(fileobj=raw) if start == GZIP else raw
            content: bytes = opened.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, str(error) or type(error).__name__) from error
    if len(content) > MOST_BYTES:
        raise _damaged(path, f"it holds more than {MOST_BYTES // 10**6} MB")
    return content


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{path} is damaged: {reason}", fix="Restore it from the download.")
