"""What others published and measured, beside what was measured here. Pure: a board in, more of it out."""

from __future__ import annotations

from dataclasses import replace

from gad.leaderboard import published, ranking, significance
from gad.leaderboard.boardcells import Board, Cell, Row
from gad.leaderboard.sheet import Figure

TOY = "tiny"  # the bundled CLIP, of which scores say nothing about a method


def is_whole(options: str) -> bool:
    """Whether a row is the method that figures were published of, not an ablation of it or one on the toy encoder.

    >>> is_whole('{"components": "TPI", "residual": "subtract"}'), is_whole('{"components": "P"}'), is_whole("{}")
    (True, False, True)
    """
    fields = ranking.parse_options(options)
    parts, residual = str(fields.get("components", "TPI")), fields.get("residual", "subtract")
    return set(parts) == set("TPI") and residual == "subtract" and fields.get("backbone") != TOY


def cite(board: Board, generated: set[str]) -> None:
    """Differences to what was published in measured cells, and rows for what others say.

    Not of methods (by key) on ``generated`` weights, nor of rows that are not the published method
    (:func:`is_whole`): what they do says nothing about what was published.
    """
    figures = published.at(published.published(), shots=board.shots, metric=board.metric)
    others = published.at(published.reruns(), shots=board.shots, metric=board.metric)
    for i, row in enumerate(board.rows):
        if row.key[2] in generated or not is_whole(row.key[1]):
            continue
        for j, column in enumerate(board.columns):
            cell = board.cells.get((i, j))
            if column.kind == "dataset" and cell and (row.name, column.name) in figures and not column.note:
                board.cells[i, j] = _compared(cell, figures[row.name, column.name])
    _add_rows(board, "published", figures)
    _add_rows(board, "rerun", others)


def _compared(cell: Cell, found: list[published.Cited]) -> Cell:
    best, mean = found[0], cell.figure.mean
    if mean is None or not cell.figure.complete:
        return cell
    beyond = significance.beyond_chance(
        mean - best.value, cell.figure.std, cell.figure.n or 0, best.std, best.n
    )
    say = {True: "more than chance", False: "within chance", None: "no spread to judge it by"}[beyond]
    words = f"{mean - best.value:+.3f} to the published figure ({say})\n{best.words}"
    return replace(cell, versus=mean - best.value, beyond=beyond, words=words)


def _add_rows(board: Board, kind: str, figures: dict[tuple[str, str], list[published.Cited]]) -> None:
    shown = {
        column.name: j
        for j, column in enumerate(board.columns)
        if column.kind == "dataset" and not column.note
    }
    methods = {found[0].method for (_, dataset), found in figures.items() if dataset in shown}
    for method in sorted(methods, key=str.lower):
        board.rows.append(Row(kind, method, "published" if kind == "published" else "measured by others"))
        for dataset, j in shown.items():
            found = figures.get((published.model_of(method), dataset))
            if found:
                words = "\n\n".join(figure.words for figure in found)
                board.cells[len(board.rows) - 1, j] = Cell(Figure(found[0].value, found[0].std), words=words)
