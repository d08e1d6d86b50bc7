"""A mark in the numbers of drawn weights: in whatever file they end up, it says that nobody trained them.

The first numbers of every matrix, kernel and the like are the same 32, k / 8192 with k from -128 to 127: small, and
exact in single, half and bfloat16 precision. So the mark is there in each of them, and the bytes of a file show it:
nothing has to be loaded, nor is it known here what kind of file it is. One step of training destroys it.
"""

from __future__ import annotations

import hashlib
import mmap
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Numbers of a tensor that is marked; it has two axes or more, so that no variance becomes negative.
LEAST = 1024


def values() -> NDArray[np.float32]:
    """The mark: float32 ``[32]``, in -1/64..1/64."""
    drawn = hashlib.sha256(b"weights that were generated, not trained").digest()
    return (np.frombuffer(drawn, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(8192)


def there(path: Path) -> bool:
    """Whether a file holds the mark somewhere, uncompressed. OSError if it cannot be read."""
    stat = path.stat()
    return _there(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _there(path: Path, size: int, _mtime: int) -> bool:
    with open(path, "rb") as handle:
        if not size:
            return False
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(form) >= 0 for form in _forms())


def _forms() -> tuple[bytes, ...]:
    """The mark's bytes in single and half precision, and in bfloat16, which is the upper half of single."""
    single = values().astype("<f4")
    return single.tobytes(), single.astype("<f2").tobytes(), single.view("<u2")[1::2].tobytes()
