"""The main table, put together: methods by datasets at one K and metric. Pure: frames in, a Board out.

Beside the datasets' columns stand averages over protocol groups, the average rank and what scoring costs;
beside measured rows stand published figures and what others measured. Only measured, complete cells of
one column are ranked among each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gad.harness.nouns import spelled_shots
from gad.leaderboard import citations, costcells, ranking, standings
from gad.leaderboard.boardcells import Board, Cell, Column, Row
from gad.leaderboard.perframe import per_frame
from gad.leaderboard.ranking import COLUMN, ROW
from gad.leaderboard.sheet import Figure, Sheet, Value
from gad.leaderboard.text import row_name

ALL = "all"
SOUND, RELEASED = "sound", "as released"


@dataclass(frozen=True)
class View:
    """What of the table is wanted. ``datasets`` None is all of them; ``search`` is looked for in rows' names."""

    shots: int
    metric: str
    protocol: str = ALL
    variants: str = ALL
    search: str = ""
    datasets: Sequence[str] | None = None
    extras: Sequence[str] = ("rank", "average")
    cited: bool = True
    older: bool = False
    by_rank: bool = True


def is_released(options: str) -> bool:
    """Whether a row runs a method as its authors released it, with what they do otherwise than the paper.

    >>> is_released('{"as_released": true}'), is_released('{"as_released": false}'), is_released("{}")
    (True, False, False)
    """
    return ranking.parse_options(options).get("as_released") is True


@per_frame
def released_options(results: pd.DataFrame) -> frozenset[str]:
    """The options, as stored, of rows that run a method as released."""
    return frozenset(filter(is_released, results["options"].unique()))


def select(results: pd.DataFrame, view: View) -> pd.DataFrame:
    """The results that a view is of, at every K."""
    found = results if view.older else ranking.current_versions(results)
    if view.protocol != ALL:
        found = found[found["protocol"] == view.protocol]
    if view.datasets is not None:
        found = found[found["dataset"].isin(list(view.datasets))]
    if view.variants != ALL:
        released = found["options"].isin(released_options(found))
        found = found[released if view.variants == RELEASED else ~released]
    return found


def make(results: pd.DataFrame, costs: pd.DataFrame, view: View) -> Board:
    """The board of a view. ``results`` are all of ``read.results(by="dataset")``, ``costs`` of ``read.costs``.

    Names come from all results, whatever is shown of them: a method keeps its own.
    """
    found = select(results, view)
    names = ranking.rows(results)
    ranked = ranking.cells(found, view.shots, view.metric)
    rows = _present(names, ranked, ROW)
    if view.search:
        text = rows["model"] + " " + rows["detail"] + " " + rows["note"]
        rows = rows[text.str.contains(view.search, case=False, regex=False)]
    columns = _present(ranking.columns(results), ranked, COLUMN).reset_index(drop=True)
    standing = standings.standings(ranked, columns, view.metric)
    if view.by_rank and not standing.empty:
        place = rows.set_index(ROW).index.map({key: place for place, key in enumerate(standing.index)})
        rows = rows.assign(place=list(place)).sort_values("place", kind="stable", na_position="last")
    board = Board(view.shots, view.metric, standing=standing)
    board.rows = [
        Row("measured", r.model, r.detail, r.note, (r.model, r.options, r.method_key))
        for r in rows.itertuples()
    ]
    board.columns = _columns(columns, view.extras)
    spent = costcells.by_method(costs, view.shots) if "cost" in view.extras else {}
    _fill(board, ranked, columns, standing, spent)
    if view.cited:
        citations.cite(board, set(ranked.loc[ranked["generated"], "method_key"]))
    return board


def _present(lines: pd.DataFrame, found: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The ``lines`` whose key occurs in ``found``, in their order."""
    keys = pd.MultiIndex.from_frame(found[names])
    return lines[pd.MultiIndex.from_frame(lines[names]).isin(keys)]


def _columns(columns: pd.DataFrame, extras: Sequence[str]) -> list[Column]:
    found = [Column("rank", "average rank")] if "rank" in extras else []
    for protocol in columns["protocol"].unique():
        own = columns[columns["protocol"] == protocol]
        found += [Column("dataset", c.dataset, protocol, c.note, c.column_key) for c in own.itertuples()]
        if "average" in extras and (own["age"] == 0).sum() > 1:
            found.append(Column("average", "mean", protocol, f"of {(own['age'] == 0).sum()}"))
    if "cost" in extras:
        found += [Column("cost", name) for name in costcells.COSTS]
    return found


def _fill(
    board: Board,
    ranked: pd.DataFrame,
    columns: pd.DataFrame,
    standing: pd.DataFrame,
    costs: dict[str, dict[str, float]],
) -> None:
    at = {tuple(getattr(cell, name) for name in [*ROW, *COLUMN]): cell for cell in ranked.itertuples()}
    averages = standings.averages(ranked, columns, board.metric)
    places = {line.Index: line for line in standing.itertuples()}
    for i, row in enumerate(board.rows):
        for j, column in enumerate(board.columns):
            cell: Cell | None = None
            if column.kind == "dataset":
                cell = _measured(at.get((*row.key, column.name, column.column_key)))
            elif column.kind == "average" and (row.key, column.group) in averages:
                mean = averages[row.key, column.group]
                cell = Cell(mean, words=f"mean over {mean.n} of {mean.planned} datasets")
            elif column.kind == "rank" and row.key in places:
                cell = _rank(places[row.key])
            elif column.kind == "cost" and row.key[2] in costs:
                cell = costcells.cell(column.name, costs[row.key[2]])
            if cell is not None:
                board.cells[i, j] = cell


def _measured(found: Any) -> Cell | None:
    if found is None:
        return None
    mean = None if pd.isna(found.mean) else float(found.mean)
    std = None if pd.isna(found.std) else float(found.std)
    place = int(found.rank) if pd.notna(found.rank) and found.rank <= 2 else 0
    return Cell(Figure(mean, std, int(found.n), int(found.planned), place), int(found.failed))


def _rank(line: Any) -> Cell:
    n = int(line.datasets)
    words = f"average over {n} {'dataset' if n == 1 else 'datasets'}, among {int(line.among)} methods that have all"
    if pd.notna(line.low):
        words += f"\n95 % interval over resampled datasets: {line.low:.2f} to {line.high:.2f}"
    return Cell(Figure(float(line.rank), digits=2, place=int(line.place)), words=words)


def sheet(board: Board) -> Sheet:
    """The board as a plain table: what is downloaded, exported and printed."""
    label = ranking.METRICS[board.metric].label
    names = [
        " ".join(filter(None, [c.name, f"({c.group})" if c.kind == "average" else "", c.note]))
        for c in board.columns
    ]
    lines: list[list[Value]] = []
    for i, row in enumerate(board.rows):
        cells = (board.cells.get((i, j)) for j in range(len(board.columns)))
        lines.append(
            [row_name(row.name, row.detail, row.note), *(cell.figure if cell else None for cell in cells)]
        )
    return Sheet(f"{label} at K = {spelled_shots(board.shots)}", ["method", *names], lines)
