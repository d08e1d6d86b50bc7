"""A table as data: figures, rows, columns. What it can be saved as is in :mod:`gad.leaderboard.sheetformats`.

Light: the command line and the pages make their tables of the same. Nothing here knows what the numbers mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from gad.leaderboard.text import visible

MINUS = "\N{MINUS SIGN}"  # as wide as a plus; a hyphen is not


@dataclass(frozen=True)
class Figure:
    """A mean over ``n`` of ``planned`` values, and its place among comparable ones (1, 2; 0: none).

    ``std`` is the sample standard deviation, None where there is none (n = 1). ``digits`` are shown.
    """

    mean: float | None
    std: float | None = None
    n: int | None = None
    planned: int | None = None
    place: int = 0
    digits: int = 3
    signed: bool = False

    @property
    def complete(self) -> bool:
        return self.planned is None or self.n == self.planned

    def text(self, plus_minus: str = "±") -> str:
        """``0.940 ± 0.015``, or nothing for no value; what is missing is said."""
        if self.mean is None:
            return "" if self.complete else f"({self.n or 0} of {self.planned})"
        mean = f"{self.mean:{'+' if self.signed else ''}.{self.digits}f}".replace("-", MINUS)
        spread = "" if self.std is None else f" {plus_minus} {self.std:.{self.digits}f}"
        missing = "" if self.complete else f" ({self.n} of {self.planned})"
        return f"{mean}{spread}{missing}"


Value = str | int | float | Figure | None


@dataclass(frozen=True)
class Sheet:
    """A table: a title, names of columns, and rows of as many values.

    ``links`` are addresses by (row, column), ``hints`` what is said of a cell on hover; both only show on
    pages.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    note: str = ""
    links: dict[tuple[int, int], str] = field(default_factory=dict)
    hints: dict[tuple[int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"a row of {self.title!r} has {len(row)} values for {len(self.columns)} columns"
                )


def spell(value: Value) -> str:
    """A value as a reader sees it.

    >>> [spell(v) for v in (0.12345, 3, "a", None, Figure(0.5, 0.01, 3), Figure(-0.5, signed=True))]
    ['0.1235', '3', 'a', '', '0.500 ± 0.010', '−0.500']
    """
    if value is None:
        return ""
    if isinstance(value, Figure):
        return value.text()
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return visible(value)
