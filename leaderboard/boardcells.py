"""What the main table is made of: rows, columns, and cells that are a number with what is to be said of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from gad.leaderboard.sheet import Figure

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Row:
    """``kind``: measured, published or rerun (what others measured). ``key`` is (model, options, method key)."""

    kind: str
    name: str
    detail: str = ""
    note: str = ""
    key: Key = ("", "", "")


@dataclass(frozen=True)
class Column:
    """``kind``: dataset, average, rank or cost. ``group`` is the protocol of a dataset or of an average."""

    kind: str
    name: str
    group: str = ""
    note: str = ""
    column_key: str = ""


@dataclass(frozen=True)
class Cell:
    """A number and what is to be said of it. ``beyond``: its distance to what was published is over chance."""

    figure: Figure
    failed: int = 0
    versus: float | None = None
    beyond: bool | None = None
    words: str = ""


@dataclass
class Board:
    """``standing``: average ranks over the board's own columns (:func:`gad.leaderboard.standings.standings`)."""

    shots: int
    metric: str
    rows: list[Row] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    standing: pd.DataFrame = field(default_factory=pd.DataFrame)
