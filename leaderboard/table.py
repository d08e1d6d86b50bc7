"""The table as HTML. Every text that comes from outside passes through :func:`escape`."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pandas as pd

from gad.leaderboard.ranking import COLUMN, METRICS, ROW
from gad.leaderboard.text import escape

Line = Any  # a namedtuple of DataFrame.itertuples()


def table(rows: pd.DataFrame, columns: pd.DataFrame, ranked: pd.DataFrame, shots: int, metric: str) -> str:
    """The results table for one K and metric, from the frames of :mod:`gad.leaderboard.ranking`."""
    at = {tuple(getattr(cell, name) for name in [*ROW, *COLUMN]): cell for cell in ranked.itertuples()}
    shown = list(columns.itertuples())
    firsts = {next(group).Index for _, group in groupby(shown, key=lambda column: column.protocol)}
    body = "".join(_row(row, shown, firsts, at, shots, metric) for row in rows.itertuples())
    label = f"{METRICS[metric].label} at K = {shots}"
    return (
        f'<div class="gad"><div class="gad-scroll" role="region" tabindex="0" aria-label="{label}">'
        f'<table class="gad-table"><thead>{_head(shown, firsts)}</thead>'
        f"<tbody>{body}</tbody></table></div></div>"
    )


def _head(columns: list[Line], firsts: set[int]) -> str:
    names = "".join(
        f'<th scope="col"{_class("first-of-group" if column.Index in firsts else "")} '
        f'title="{escape(column.dataset)}&#10;column key {escape(column.column_key)}" '
        f'data-dataset="{escape(column.dataset)}">{_name(column.dataset)}{_sub(column.note, "old")}</th>'
        for column in columns
    )
    return f'{_groups(columns)}<tr><th scope="col">Method</th>{names}</tr>'


def _groups(columns: list[Line]) -> str:
    """A line that names the protocol above its columns; none when there is only one."""
    found = [(name, len(list(group))) for name, group in groupby(columns, key=lambda column: column.protocol)]
    if len(found) < 2:
        return ""
    spans = (f'<th class="group" scope="colgroup" colspan="{n}">{escape(name)}</th>' for name, n in found)
    return f"<tr><th></th>{''.join(spans)}</tr>"


def _row(
    row: Line, columns: list[Line], firsts: set[int], at: dict[Any, Line], shots: int, metric: str
) -> str:
    title = f"{escape(row.model)}&#10;options {escape(row.options)}&#10;method key {escape(row.method_key)}"
    head = f"{_name(row.model)}{_sub(row.detail)}{_sub(row.note, 'old')}"
    data = f'data-model="{escape(row.model)}" data-k="{shots}" data-metric="{metric}"'
    cells = []
    for column in columns:
        cell = at.get((row.model, row.options, row.method_key, column.dataset, column.column_key))
        first = "first-of-group" if column.Index in firsts else ""
        cells.append(_cell(cell, first, f'{data} data-dataset="{escape(column.dataset)}"'))
    return f'<tr><th scope="row" title="{title}">{head}</th>{"".join(cells)}</tr>'


def _cell(cell: Line | None, first: str, data: str) -> str:
    if cell is None:
        return f'<td{_class(first, "absent")} title="no run asked for this">·</td>'
    place = {1: "best", 2: "second"}.get(cell.rank, "") if pd.notna(cell.rank) else ""
    known = pd.notna(cell.mean)
    value = f' data-value="{cell.mean!r}"' if known else ""
    mean = f"{cell.mean:.3f}" if known else "—"
    spread = f"± {cell.std:.3f}" if pd.notna(cell.std) else ""
    n = f'<span class="n">n={cell.n}</span>' if known else ""
    return (
        f"<td{_class(first, place, '' if cell.complete else 'incomplete')} {data}{value} "
        f'data-key="{escape(cell.method_key)}" title="{_title(cell)}"><span class="mean">{mean}</span>'
        f'<span class="spread">{spread}{n}</span>{_badges(cell)}</td>'
    )


def _title(cell: Line) -> str:
    value = f"{cell.mean:.6f}" if pd.notna(cell.mean) else "no value"
    spread = f" ± {cell.std:.6f}" if pd.notna(cell.std) else ""
    keys = f"method key {escape(cell.method_key)}&#10;column key {escape(cell.column_key)}"
    return f"{value}{spread}&#10;{cell.n} of {cell.planned} seeds done, {cell.failed} failed&#10;{keys}"


def _badges(cell: Line) -> str:
    if cell.complete:
        return "" if pd.notna(cell.mean) else '<span class="badge">not defined</span>'
    failed = f'<span class="badge bad">{cell.failed} failed</span>' if cell.failed else ""
    return f'<span class="badge">{cell.n}/{cell.planned} seeds</span>{failed}'


def _name(text: str) -> str:
    return f'<span class="name">{escape(text)}</span>'


def _sub(text: str, style: str = "") -> str:
    return f'<span class="{f"sub {style}".strip()}">{escape(text)}</span>' if text else ""


def _class(*names: str) -> str:
    found = " ".join(filter(None, names))
    return f' class="{found}"' if found else ""
