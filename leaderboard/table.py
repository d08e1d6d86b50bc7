"""The main table as HTML. Every text that comes from outside passes through :func:`escape`."""

from __future__ import annotations

from itertools import groupby
from urllib.parse import urlencode

from gad.harness.nouns import spelled_shots
from gad.leaderboard.board import Board, Cell, Column, Row
from gad.leaderboard.ranking import METRICS
from gad.leaderboard.sheet import Figure
from gad.leaderboard.text import escape

DIRECTIONS = {True: "higher is better", False: "lower is better"}


def table(board: Board) -> str:
    """The results table of a board. Cells of datasets lead to what they are made of."""
    label = f"{METRICS[board.metric].label} at K = {spelled_shots(board.shots)}"
    firsts = _firsts(board.columns)
    addresses = [_address(dataset=c.name, column=c.column_key) for c in board.columns]
    body = "".join(_row(board, i, row, firsts, addresses) for i, row in enumerate(board.rows))
    return (
        f'<div class="gad"><div class="gad-scroll" role="region" tabindex="0" aria-label="{label}">'
        f'<table class="gad-table gad-main" data-k="{board.shots}" data-metric="{board.metric}">'
        f"<thead>{_head(board.columns, firsts)}</thead>"
        f"<tbody>{body}</tbody></table></div></div>"
    )


def _firsts(columns: list[Column]) -> set[int]:
    """Places at which another group of columns begins."""
    groups = [column.group or column.kind for column in columns]
    return {j for j, group in enumerate(groups) if j and groups[j - 1] != group}


def _head(columns: list[Column], firsts: set[int]) -> str:
    names = []
    for j, column in enumerate(columns):
        title = escape(column.name) + (
            f"&#10;column key {escape(column.column_key)}" if column.column_key else ""
        )
        data = f' data-dataset="{escape(column.name)}"' if column.kind == "dataset" else ""
        style = _class(column.kind, "first-of-group" if j in firsts else "")
        names.append(
            f'<th scope="col"{style} title="{title}"{data}>{_name(column.name)}{_sub(column.note, "old")}</th>'
        )
    return f'{_groups(columns)}<tr><th scope="col">Method</th>{"".join(names)}</tr>'


def _groups(columns: list[Column]) -> str:
    """A line that names the protocol above its columns; none when there is only one."""
    if len({column.group for column in columns if column.group}) < 2:
        return ""
    found = [(name, len(list(group))) for name, group in groupby(columns, key=lambda column: column.group)]
    spans = (
        f'<th class="group" scope="colgroup" colspan="{n}">{escape(name)}</th>'
        if name
        else f'<th class="group" colspan="{n}"></th>'
        for name, n in found
    )
    return f"<tr><th></th>{''.join(spans)}</tr>"


def _row(board: Board, i: int, row: Row, firsts: set[int], addresses: list[str]) -> str:
    model, options, key = row.key
    title = f"{escape(model)}&#10;options {escape(options)}&#10;method key {escape(key)}" if key else ""
    head = f"{_name(row.name)}{_sub(row.detail)}{_sub(row.note, 'old')}"
    asked = _address(method=key, k=board.shots, metric=board.metric)
    cells = "".join(
        _cell(
            row,
            column,
            board.cells.get((i, j)),
            "first-of-group" if j in firsts else "",
            f"{address}&{asked}",
        )
        for j, (column, address) in enumerate(zip(board.columns, addresses, strict=True))
    )
    return f'<tr class="{row.kind}"><th scope="row" title="{title}">{head}</th>{cells}</tr>'


def _cell(row: Row, column: Column, cell: Cell | None, first: str, asked: str) -> str:
    if cell is None:
        why = "no run asked for this" if row.kind == "measured" and column.kind == "dataset" else "no figure"
        mark = "·" if row.kind == "measured" else ""
        return f'<td{_class(first, column.kind, "absent")} title="{why}">{mark}</td>'
    figure = cell.figure
    place = {1: "best", 2: "second"}.get(figure.place, "")
    style = _class(first, column.kind, place, "" if figure.complete else "incomplete")
    inner = f'<span class="mean">{_mean(cell)}</span>{_spread(cell)}{_versus(cell)}{_badges(column, cell)}'
    if row.kind == "measured" and column.kind == "dataset":
        inner = f'<a href="dataset?{escape(asked)}" target="_self">{inner}</a>'
    return f'<td{style}{_data(row, column, cell)} title="{_title(row, column, cell)}">{inner}</td>'


def _address(**fields: object) -> str:
    return urlencode(fields, errors="replace")


def _data(row: Row, column: Column, cell: Cell) -> str:
    """What tests and scripts find a measured number by; few, for a browser's purifier looks at each."""
    if row.kind != "measured" or column.kind != "dataset":
        return ""
    mean = cell.figure.mean
    value = f' data-value="{mean!r}"' if mean is not None else ""
    return f' data-model="{escape(row.key[0])}" data-dataset="{escape(column.name)}"{value}'


def _mean(cell: Cell) -> str:
    figure = cell.figure
    return "—" if figure.mean is None else f"{figure.mean:.{figure.digits}f}"


def _spread(cell: Cell) -> str:
    figure = cell.figure
    spread = f"± {figure.std:.3f}" if figure.std is not None else ""
    n = f'<span class="n">n={figure.n}</span>' if figure.n is not None and figure.mean is not None else ""
    return f'<span class="spread">{spread}{n}</span>' if spread or n else ""


def _versus(cell: Cell) -> str:
    """The difference to what was published; a mark where it is more than chance would give."""
    if cell.versus is None:
        return ""
    style = {True: "beyond", False: "within", None: "within"}[cell.beyond]
    return f'<span class="versus {style}">{Figure(cell.versus, signed=True).text()}{" !" if cell.beyond else ""}</span>'


def _title(row: Row, column: Column, cell: Cell) -> str:
    lines = []
    figure = cell.figure
    if row.kind == "measured" and column.kind == "dataset":
        spread = f" ± {figure.std:.6f}" if figure.std is not None else ""
        lines.append(f"{figure.mean:.6f}{spread}" if figure.mean is not None else "no value")
        lines.append(f"{figure.n} of {figure.planned} seeds done, {cell.failed} failed")
    return "&#10;".join(escape(line) for line in [*lines, *cell.words.splitlines()])


def _badges(column: Column, cell: Cell) -> str:
    if cell.figure.complete:
        return "" if cell.figure.mean is not None else '<span class="badge">not defined</span>'
    what = "seeds" if column.kind == "dataset" else "datasets"
    failed = f'<span class="badge bad">{cell.failed} failed</span>' if cell.failed else ""
    return f'<span class="badge">{cell.figure.n}/{cell.figure.planned} {what}</span>{failed}'


def _name(text: str) -> str:
    return f'<span class="name">{escape(text)}</span>'


def _sub(text: str, style: str = "") -> str:
    return f'<span class="{f"sub {style}".strip()}">{escape(text)}</span>' if text else ""


def _class(*names: str) -> str:
    found = " ".join(filter(None, names))
    return f' class="{found}"' if found else ""
