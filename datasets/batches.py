"""CIFAR-10's batches: those made for Python, which are pickles, and the binary ones.

A pickle can run anything when it is loaded. These are read by Python's own unpickler with no way to a name
but the three that NumPy's arrays are made of, and behind these names are stand-ins that only remember what
they were given: no function of NumPy, or of anything else, is called by a file.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gad.datasets import trees
from gad.harness.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDE = 32
PIXELS = 3 * SIDE * SIDE
MOST_BYTES = 200_000_000  # a batch has 31


def read(path: Path) -> tuple[NDArray[np.uint8], list[int]]:
    """Images ``[n, 32, 32, 3]`` and labels 0..9 of one batch. DataError if it is damaged, or a hostile pickle."""
    try:
        with path.open("rb") as handle:
            content = handle.read(MOST_BYTES + 1)
    except OSError as error:
        raise _damaged(path, str(error)) from error
    if len(content) > MOST_BYTES:
        raise _damaged(path, f"it is larger than {MOST_BYTES // 10**6} MB")
    pixels, labels = _binary(path, content) if path.suffix == ".bin" else _python(path, content)
    if not labels or not all(type(label) is int and 0 <= label <= 9 for label in labels):
        raise _damaged(path, "its labels are not numbers 0 to 9")
    # Stored colour by colour, each of them row by row.
    return pixels.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels


def _binary(path: Path, content: bytes) -> tuple[NDArray[np.uint8], list[int]]:
    """Rows of one label and the pixels."""
    import numpy as np

    if not content or len(content) % (1 + PIXELS):
        raise _damaged(path, f"its {len(content)} bytes are not whole rows of {1 + PIXELS}")
    rows = np.frombuffer(content, np.uint8).reshape(-1, 1 + PIXELS)
    return rows[:, 1:], [int(label) for label in rows[:, 0]]


def _python(path: Path, content: bytes) -> tuple[NDArray[np.uint8], list[int]]:
    """A pickled dictionary with ``data`` and ``labels``."""
    import numpy as np

    held = _unpickle(path, content)
    fields = {k.decode("latin-1") if isinstance(k, bytes) else k: v for k, v in held.items()}
    data, labels = fields.get("data"), fields.get("labels")
    if not isinstance(data, _Array) or not isinstance(labels, list):
        named = [key[:50] for key in fields if isinstance(key, str)]
        raise _damaged(path, f"it has no data and labels; it holds {trees.shortened(named) or 'nothing'}")
    if data.kind != "u1" or data.shape != (len(labels), PIXELS) or len(data.content) != len(labels) * PIXELS:
        raise _damaged(path, f"its data are {data.shape} of {data.kind!r}, with {len(labels)} labels")
    rows: NDArray[np.uint8] = np.frombuffer(data.content, np.uint8)
    return rows.reshape(PIXELS, -1).T if data.fortran else rows.reshape(-1, PIXELS), labels


def _unpickle(path: Path, content: bytes) -> dict[Any, Any]:
    import io

    try:
        held = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except _RefusedError as error:
        raise DataError(
            f"{path} is not a batch of CIFAR-10: loading it would run {error}, which nothing here does",
            fix="Do not load it with anything else either. Get the batches from the publisher.",
        ) from error
    except Exception as error:  # a damaged or hostile pickle can fail in any way
        raise _damaged(path, f"{type(error).__name__}: {error}"[:300]) from error
    if not isinstance(held, dict):
        raise _damaged(path, f"it holds no dictionary but {type(held).__name__}")
    return held


class _RefusedError(Exception):
    """A name that a pickle asks for and does not get."""


class _Dtype:
    """Stands in for ``numpy.dtype``."""

    def __init__(self, kind: object = "", *_: object) -> None:
        text = kind.decode("latin-1") if isinstance(kind, bytes) else kind
        self.kind = text[:20] if isinstance(text, str) else ""

    def __setstate__(self, state: object) -> None:
        """Byte order and such, which a type of one byte has not."""


class _Array:
    """Stands in for ``numpy.ndarray``: remembers its shape, type and bytes."""

    shape: tuple[int, ...] = ()
    kind = ""
    fortran = False
    content = b""

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("not the state of an array")
        _, shape, kind, fortran, content = state
        whole = isinstance(shape, tuple) and all(type(n) is int and 0 <= n < 2**31 for n in shape)
        if not whole or not isinstance(content, bytes) or not isinstance(kind, _Dtype):
            raise pickle.UnpicklingError("not an array of plain numbers")
        self.shape, self.kind, self.fortran, self.content = shape, kind.kind, bool(fortran), content


def _reconstruct(*_: object) -> _Array:
    """Stands in for NumPy's function of that name, which makes an empty array."""
    return _Array()


def _encode(text: object, encoding: object = "") -> bytes:
    """Stands in for ``_codecs.encode``, by which Python 3 writes bytes in the old protocol."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("not bytes in disguise")
    return text.encode("latin-1")


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle._Unpickler):  # in Python: the one in C takes as much memory as a file asks for
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise _RefusedError(f"{module}.{name}"[:200]) from None

    def get_extension(self, code: int) -> None:
        raise _RefusedError(f"extension {code}")

    def load_build(self) -> None:
        # Elsewhere it would set attributes of whatever a file likes, for instance of the functions above.
        if not isinstance(self.stack[-2], _Dtype | _Array):  # type: ignore[attr-defined]
            raise pickle.UnpicklingError("a state for something that is no array")
        super().load_build()  # type: ignore[misc]

    dispatch: ClassVar[dict[int, Any]] = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: load_build}


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{path} is damaged: {reason}", fix="Restore it from the download.")
