"""The main table: what is ranked, averaged and compared with published figures, against tables made by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from leaderboard.test_ranking import frame

from gad.harness.store import read
from gad.leaderboard import board, methods, published, queries, sheetformats

NO_COSTS = pd.DataFrame(columns=queries.COSTS)


def make(results: pd.DataFrame, **view: object) -> board.Board:
    return board.make(results, NO_COSTS, board.View(**{"shots": 2, "metric": "auroc", **view}))  # type: ignore[arg-type]


def values(made: board.Board) -> dict[tuple[str, str], float | None]:
    """Means by (row, column)."""
    return {
        (made.rows[i].name, made.columns[j].name): cell.figure.mean for (i, j), cell in made.cells.items()
    }


def test_averages_are_over_complete_groups_only() -> None:
    results = frame(
        {"model": "a", "dataset": "x", "auroc_mean": 0.8},
        {"model": "a", "dataset": "y", "auroc_mean": 0.6},
        {"model": "b", "dataset": "x", "auroc_mean": 0.9},
        {"model": "b", "dataset": "y", "auroc_mean": 0.9, "complete": False, "n_seeds": 2},
    )
    made = make(results)
    found = values(made)
    assert found["a", "mean"] == pytest.approx(0.7)
    assert found["b", "mean"] is None
    average = next(
        c for (i, j), c in made.cells.items() if made.rows[i].name == "b" and made.columns[j].name == "mean"
    )
    assert (average.figure.n, average.figure.planned, average.figure.place) == (1, 2, 0)
    assert ("b", "average rank") not in found


def test_average_rank_counts_two_protocols_of_one_pool_once() -> None:
    """On mnist a has 0.9 and 0.5, b 0.8 and 0.7: averaged b leads; on visa a leads: ranks 1.5 and 1.5."""
    lines = [
        ("a", "mnist-one-vs-all", 0.9),
        ("a", "mnist-multi-class", 0.5),
        ("b", "mnist-one-vs-all", 0.8),
        ("b", "mnist-multi-class", 0.7),
        ("a", "visa", 0.9),
        ("b", "visa", 0.1),
    ]
    found = values(make(frame(*({"model": m, "dataset": d, "auroc_mean": v} for m, d, v in lines))))
    assert (found["a", "average rank"], found["b", "average rank"]) == (1.5, 1.5)


def test_older_columns_are_shown_but_not_averaged() -> None:
    results = frame(
        {"model": "a", "dataset": "x", "column_key": "old", "last_run": "1", "auroc_mean": 0.1},
        {"model": "a", "dataset": "x", "column_key": "new", "last_run": "2", "auroc_mean": 0.8},
        {"model": "a", "dataset": "y", "last_run": "2", "auroc_mean": 0.6},
    )
    made = make(results)
    assert [c.note for c in made.columns if c.kind == "dataset" and c.name == "x"] == ["", "older old"]
    assert values(made)["a", "mean"] == pytest.approx(0.7)


def test_two_method_keys_are_never_averaged() -> None:
    results = frame(
        {"model": "a", "method_key": "1", "dataset": "x", "auroc_mean": 0.8, "last_run": "2"},
        {"model": "a", "method_key": "2", "dataset": "y", "auroc_mean": 0.6, "last_run": "1"},
    )
    made = make(results, older=True)
    assert not [
        c
        for (i, j), c in made.cells.items()
        if made.columns[j].kind == "average" and c.figure.mean is not None
    ]


def test_rows_go_by_rank_or_by_name_and_can_be_searched() -> None:
    results = frame({"model": "a", "auroc_mean": 0.1}, {"model": "b", "auroc_mean": 0.9})
    assert [row.name for row in make(results).rows] == ["b", "a"]
    assert [row.name for row in make(results, by_rank=False).rows] == ["a", "b"]
    assert [row.name for row in make(results, search="B").rows] == ["b"]


def test_released_variants_can_be_told_apart() -> None:
    results = frame(
        {"model": "inctrl", "options": '{"as_released": true}', "method_key": "1"},
        {"model": "inctrl", "options": '{"as_released": false}', "method_key": "2"},
    )
    assert [row.key[2] for row in make(results, variants=board.RELEASED).rows] == ["1"]
    assert [row.key[2] for row in make(results, variants=board.SOUND).rows] == ["2"]
    assert len(make(results).rows) == 2


def test_published_figures_stand_beside_measured_ones() -> None:
    """On VisA at K = 2 the paper has 0.858 ± 0.022 over three seeds."""
    near = {"model": "inctrl", "dataset": "visa", "auroc_mean": 0.84, "auroc_std": 0.02}
    made = make(frame(near, {**near, "dataset": "headct"}), extras=())
    (cell,) = [c for c in made.cells.values() if c.versus is not None]
    assert cell.versus == pytest.approx(-0.018)
    assert cell.beyond is False  # 2 sqrt(0.02² / 3 + 0.022² / 3) = 0.034
    assert "InCTRL (CVPR 2024)" in cell.words
    assert ", 3 runs" in cell.words
    assert "https://" in cell.words
    far = make(frame({**near, "auroc_mean": 0.82}), extras=())
    assert [c.beyond for c in far.cells.values() if c.versus is not None] == [True]
    drawn = make(frame({**near, "generated": True}), extras=())
    assert not [c for c in drawn.cells.values() if c.versus is not None]
    row = next(i for i, row in enumerate(made.rows) if row.kind == "published" and row.name == "InCTRL")
    columns = {column.name: j for j, column in enumerate(made.columns)}
    assert made.cells[row, columns["visa"]].figure.mean == 0.858
    assert (row, columns["headct"]) not in made.cells  # nobody published it: blank
    rerun = next(i for i, row in enumerate(made.rows) if row.kind == "rerun")
    assert made.cells[rerun, columns["visa"]].figure.mean == 0.82
    assert not [r for r in make(frame(near), cited=False).rows if r.kind != "measured"]


def test_only_the_published_method_is_compared_with_what_was_published() -> None:
    line = {"model": "inctrl", "dataset": "visa", "auroc_mean": 0.5}
    real = {**line, "options": '{"backbone": "real"}', "method_key": "real", "generated": False}
    toy = {**real, "options": '{"backbone": "tiny"}', "method_key": "toy"}
    ablated = {**real, "options": '{"backbone": "real", "components": "PI"}', "method_key": "ablated"}
    made = make(frame({**line, "generated": True}, toy, ablated, real))
    compared = [made.rows[i].key[2] for (i, _), cell in made.cells.items() if cell.versus is not None]
    assert compared == ["real"]


def test_published_figures_are_the_file_s() -> None:
    with Path(published.__file__).with_name("published.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [(f.method, f.dataset, f.shots, f.metric, f.value) for f in published.published()] == [
        (r["method"], r["dataset"], int(r["shots"]), r["metric"], float(r["mean"])) for r in rows
    ]
    assert all(f.url.startswith("https://") for f in [*published.published(), *published.reruns()])


def test_the_plain_table_has_the_same_figures() -> None:
    made = make(frame({"model": "a", "auroc_mean": 1 / 3}), extras=())
    assert sheetformats.to_csv(board.sheet(made)).splitlines()[1].split(",")[1] == repr(1 / 3)


def test_aggregates_are_the_views(folder) -> None:
    """What is added up when results are recorded is what the views say, after failures and newer runs too."""
    first, second, third = folder.plan("a", "d", shots=(2,))
    folder.record(first, second)
    folder.record(third, error="it broke")
    folder.plan("a", "d", shots=(2, 4))
    folder.publish()
    with read.connect(folder.path) as connection:
        for by, table in read.TABLE.items():
            stored = connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
            assert stored == connection.execute(f"SELECT * FROM {read.VIEW[by]} ORDER BY ALL").fetchall()
            assert stored


def test_transductive_methods_have_ranks_and_places_of_their_own_everywhere() -> None:
    """The cells of two kinds are ranked apart; so are averages, average ranks and the order of rows."""
    kinds = {"a": (0.9, True), "b": (0.8, False), "c": (0.7, False), "d": (0.95, True)}
    lines = [
        {"model": name, "dataset": dataset, "auroc_mean": mean, "transductive": kind}
        for name, (mean, kind) in kinds.items()
        for dataset in "xy"
    ]
    made = make(frame(*lines))
    assert [row.name for row in made.rows] == ["b", "c", "d", "a"]
    found = values(made)
    assert [found[name, "average rank"] for name in "bcda"] == [1, 2, 1, 2]
    means = {made.rows[i].name: c for (i, j), c in made.cells.items() if made.columns[j].kind == "average"}
    assert [means[name].figure.place for name in "bcda"] == [1, 2, 1, 2]


def test_only_what_may_be_ranked_together_is_tested() -> None:
    results = frame(
        {"model": "a", "transductive": True, "generated": False},
        {"model": "b", "transductive": False, "generated": False},
        {"model": "c", "transductive": False, "generated": True},
        {"model": "d", "transductive": True, "generated": False},
    )
    known = methods.of(results, results)
    assert known.keys == ["key-b", "key-a", "key-d", "key-c"]  # so that the first few can be compared
    kept, left = known.together(["key-b", "key-a", "key-c"])
    assert kept == ["key-b"]
    assert left == "Left out: c (generated weights), a [transductive] (sees the whole test set)."
    assert known.together(["key-a", "key-b", "key-d"])[0] == ["key-a", "key-d"]
    assert known.together(["key-c", "key-a"])[0] == []


def test_what_a_grid_chose_beside_options_is_read_with_every_row(folder) -> None:
    seen = {"kind": "features", "precision": "bf16"}
    folder.record(
        *folder.plan("a", "d", method_input=seen),
        *folder.plan("b", "d", auxiliary={"default": "x", "d": "y"}),
    )
    found = {row["model"]: row["setting"] for row in read.results(folder.path)}
    assert found == {
        "a": '{"precision": "bf16", "resize": "crop"}',
        "b": '{"trained on": "x, y for d"}',
    }
