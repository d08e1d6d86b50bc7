"""What an adapter's ``score`` returned, checked; and its maps on their way out of the adapter's process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gad.harness.adapter import Scored
from gad.harness.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def checked(returned: Any, expected: int) -> Scored:
    """What was returned for a batch of ``expected`` queries: float64 scores and parts, float32 maps.

    Raises ModelError for another count, shape or dtype, and for maps that are not finite. Whether scores
    are finite is checked where an image can be named.
    """
    scored = returned if isinstance(returned, Scored) else Scored(scores=returned)
    maps = None if scored.maps is None else _maps(scored.maps, expected)
    parts = {str(name): _floats(f"part {name!r}", rows, expected) for name, rows in scored.parts.items()}
    return Scored(scores=_floats("", scored.scores, expected), maps=maps, parts=parts)


def _floats(what: str, returned: Any, expected: int) -> NDArray[np.float64]:
    values = _numbers(what, returned, "one float a query")
    if values.shape != (expected,):
        raise ModelError(
            f"score() returned {_of(what)}shape {values.shape} for {expected} queries, expected ({expected},)",
            fix="Return one float a query, in the order of the queries.",
        )
    return values.astype(np.float64)


def _maps(returned: Any, expected: int) -> NDArray[np.float32]:
    values = _numbers("maps", returned, "maps as float [n, h, w]")
    if values.ndim != 3 or len(values) != expected or not values.size:
        raise ModelError(
            f"score() returned maps of shape {values.shape} for {expected} queries, expected ({expected}, h, w)",
            fix="Return one map a query, in the order of the queries, or None.",
        )
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    bad = ~np.isfinite(narrow).all(axis=(1, 2))
    if bad.any():
        raise ModelError(
            f"score() returned maps with NaN or infinite values ({int(bad.sum())} of {expected}, the first "
            f"for query {int(bad.argmax())} of its batch); maps must be finite",
            fix="Return finite maps, or None.",
        )
    return narrow


def _numbers(what: str, returned: Any, fix: str) -> NDArray[Any]:
    values = np.asarray(returned)
    if values.dtype.kind not in "fiu":
        raise ModelError(
            f"score() returned {_of(what)}dtype {values.dtype}, expected floating point",
            fix=f"Return {fix}.",
        )
    return values


def _of(what: str) -> str:
    return f"{what} of " if what else ""


class MapFile:
    """Writes the maps of a part's queries into one array file, float32 ``[count, h, w]``, batch by batch.

    Without a ``path`` maps are looked at by nobody. ``written`` is whether there are any: all batches have
    maps or none has, and all of one size; ModelError otherwise.
    """

    def __init__(self, path: str, count: int) -> None:
        self.path, self.count = path, count
        self.rows: NDArray[np.float32] | None = None
        self.size: tuple[int, ...] | None = None

    @property
    def written(self) -> bool:
        return self.rows is not None

    def add(self, first: int, maps: NDArray[np.float32] | None) -> None:
        """The maps of the batch that starts with query ``first``."""
        size = () if maps is None else maps.shape[1:]
        if self.size is None:
            self.size = size
            if maps is not None and self.path:
                shape = (self.count, *size)
                self.rows = np.lib.format.open_memmap(self.path, "w+", dtype=np.float32, shape=shape)
        if size != self.size:
            raise ModelError(
                f"score() returned {_sized(size)} for one batch and {_sized(self.size)} for another",
                fix="Return maps for every query or for none, all of one size.",
            )
        if maps is not None and self.rows is not None:
            self.rows[first : first + len(maps)] = maps


def _sized(size: tuple[int, ...]) -> str:
    return f"maps of {'x'.join(map(str, size))}" if size else "no maps"
