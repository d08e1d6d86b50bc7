"""Remembering what a pure function made of a frame for as long as the frame lives.

Pages draw again at every choice from the same frames of results; what does not depend on the choice is made once.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import pandas as pd

T = TypeVar("T")


def per_frame(function: Callable[[pd.DataFrame], T]) -> Callable[[pd.DataFrame], T]:
    """``function`` of a frame, called once for each frame. Neither the frame nor the result may be changed in place.

    >>> calls = []
    >>> lines = per_frame(lambda frame: calls.append(1) or len(frame))
    >>> frame = pd.DataFrame({"a": [1, 2]})
    >>> lines(frame), lines(frame), lines(frame.copy()), len(calls)
    (2, 2, 2, 2)
    """
    kept: dict[int, tuple[weakref.ref[pd.DataFrame], T]] = {}

    @wraps(function)
    def asked(frame: pd.DataFrame) -> T:
        known = kept.get(id(frame))
        if known is not None and known[0]() is frame:
            return known[1]
        made, key = function(frame), id(frame)
        kept[key] = (weakref.ref(frame, lambda _: kept.pop(key, None)), made)
        return made

    return asked
