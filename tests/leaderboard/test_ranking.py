"""Ranking against tables worked out by hand."""

from __future__ import annotations

import doctest
import math
from typing import Any

import pandas as pd
import pytest

from gad.leaderboard import ranking, text


def frame(*lines: dict[str, Any]) -> pd.DataFrame:
    """Lines of ``dataset_results`` with sensible defaults."""
    default = {
        "model": "m",
        "options": "{}",
        "method_key": "",
        "dataset": "d",
        "column_key": "c",
        "protocol": "industrial",
        "test_images": None,
        "shots": 2,
        "last_run": "1",
        "n_seeds": 3,
        "n_planned": 3,
        "n_failed": 0,
        "complete": True,
        "auroc_mean": 0.5,
        "auroc_std": 0.01,
        "fpr95_mean": 0.5,
        "fpr95_std": 0.01,
    }
    found = pd.DataFrame([{**default, **line} for line in lines])
    found["method_key"] = found["method_key"].where(found["method_key"] != "", "key-" + found["model"])
    return found


def ranks(results: pd.DataFrame, metric: str = "auroc") -> list[int | None]:
    found = ranking.cells(results, 2, metric)["rank"]
    return [None if pd.isna(rank) else int(rank) for rank in found]


@pytest.mark.parametrize("module", [ranking, text])
def test_doctests(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_best_and_second_best_of_each_column() -> None:
    results = frame(
        {"model": "a", "auroc_mean": 0.9},
        {"model": "b", "auroc_mean": 0.7},
        {"model": "c", "auroc_mean": 0.8},
        {"model": "a", "dataset": "e", "auroc_mean": 0.1},
        {"model": "b", "dataset": "e", "auroc_mean": 0.2},
    )
    assert ranks(results) == [1, 3, 2, 2, 1]


def test_the_smallest_fpr95_is_best() -> None:
    assert ranks(frame({"model": "a", "fpr95_mean": 0.1}, {"model": "b", "fpr95_mean": 0.4}), "fpr95") == [
        1,
        2,
    ]


def test_ties_share_a_rank_and_the_next_is_skipped() -> None:
    means = [0.3, 0.1 + 0.2, 0.2]  # 0.1 + 0.2 is not 0.3, but the same sum in another order
    assert ranks(frame(*({"model": m, "auroc_mean": v} for m, v in zip("abc", means, strict=True)))) == [
        1,
        1,
        3,
    ]


def test_incomplete_and_undefined_cells_are_never_ranked() -> None:
    results = frame(
        {"model": "a", "auroc_mean": 0.99, "complete": False, "n_seeds": 2},
        {"model": "b", "auroc_mean": math.nan},
        {"model": "c", "auroc_mean": 0.6},
    )
    assert ranks(results) == [None, None, 1]


def test_nothing_to_rank() -> None:
    assert ranks(frame({"complete": False, "auroc_mean": math.nan, "n_seeds": 0})) == [None]
    assert ranking.cells(frame({}), 4, "auroc").empty


def test_only_the_chosen_k_is_ranked() -> None:
    results = frame({"model": "a", "auroc_mean": 0.6}, {"model": "b", "auroc_mean": 0.9, "shots": 4})
    assert ranks(results) == [1]


def test_two_column_keys_are_two_columns_ranked_apart() -> None:
    results = frame(
        {"model": "a", "column_key": "old", "last_run": "1", "auroc_mean": 0.9},
        {"model": "b", "column_key": "new", "last_run": "2", "auroc_mean": 0.5},
    )
    assert ranks(results) == [1, 1]
    found = ranking.columns(results)
    assert found["column_key"].tolist() == ["new", "old"]
    assert found["note"].tolist() == ["", "older old"]


def test_columns_are_ordered_by_protocol_then_name() -> None:
    names = {"z": "industrial", "b": "multi-class", "a": "industrial", "c": "medical", "x": "unheard-of"}
    results = frame(*({"dataset": name, "protocol": protocol} for name, protocol in names.items()))
    assert ranking.columns(results)["dataset"].tolist() == ["a", "z", "c", "b", "x"]


def test_two_method_keys_are_two_rows_and_the_older_one_is_hidden_by_default() -> None:
    results = frame(
        {"method_key": "bbbbbbbb", "last_run": "2"},
        {"method_key": "aaaaaaaa", "last_run": "1"},
        {"method_key": "aaaaaaaa", "last_run": "1", "dataset": "e"},
    )
    found = ranking.rows(results)
    assert found["method_key"].tolist() == ["bbbbbbbb", "aaaaaaaa"]
    assert found["note"].tolist() == ["", "older aaaaaa"]
    assert ranking.newest_versions(results)["method_key"].unique().tolist() == ["bbbbbbbb"]


def test_the_newest_version_may_be_new_at_another_k() -> None:
    results = frame(
        {"method_key": "old", "last_run": "1", "shots": 2}, {"method_key": "new", "last_run": "2", "shots": 8}
    )
    assert ranking.newest_versions(results)["shots"].tolist() == [8]


def test_only_options_that_differ_are_named() -> None:
    results = frame(
        {"model": "knn", "method_key": "1", "options": '{"k": 1, "norm": "l2"}'},
        {"model": "knn", "method_key": "2", "options": '{"k": 5, "norm": "l2"}'},
        {"model": "other", "options": '{"k": 7}'},
    )
    assert ranking.rows(results)["detail"].tolist() == ["k=1", "k=5", ""]


@pytest.mark.parametrize(("options", "detail"), [("not json", "options=not json"), ("[1]", "options=[1]")])
def test_damaged_options_are_shown_as_they_are(options: str, detail: str) -> None:
    found = ranking.rows(frame({"method_key": "1"}, {"method_key": "2", "options": options}))
    assert detail in found["detail"].tolist()


def test_pivot_is_methods_by_datasets() -> None:
    results = frame(
        {"model": "a", "auroc_mean": 0.9},
        {"model": "b", "auroc_mean": 0.7},
        {"model": "a", "dataset": "e", "auroc_mean": 0.3},
    )
    wide = ranking.pivot(ranking.cells(results, 2, "auroc"))
    assert wide.shape == (2, 2)
    assert wide.loc[("a", "{}", "key-a"), ("e", "c")] == 0.3
    assert math.isnan(wide.loc[("b", "{}", "key-b"), ("e", "c")])


def test_transductive_methods_are_ranked_among_themselves() -> None:
    results = frame(
        {"model": "a", "auroc_mean": 0.9, "transductive": True},
        {"model": "b", "auroc_mean": 0.7, "transductive": False},
        {"model": "c", "auroc_mean": 0.8, "transductive": False},
        {"model": "d", "auroc_mean": 0.6, "transductive": True},
    )
    assert ranks(results) == [1, 2, 1, 2]
    assert ranking.rows(results)["note"].tolist() == ["transductive", "", "", "transductive"]


def test_another_choice_of_the_grid_is_another_row_and_no_older_version() -> None:
    """The same options, trained on other data or seen in another precision: each is shown, and named."""
    trained = '{"precision": "fp32", "trained on": "surfaces"}'
    other = '{"precision": "bf16", "trained on": "heads"}'
    results = frame(
        {"method_key": "aaaaaaaa", "last_run": "1", "setting": trained},
        {"method_key": "bbbbbbbb", "last_run": "2", "setting": other},
        {"method_key": "cccccccc", "last_run": "0", "setting": trained},
        {"model": "knn", "setting": '{"precision": "fp32"}'},
    )
    found = ranking.rows(results).set_index("method_key")
    assert found["note"].to_dict() == {
        "aaaaaaaa": "",
        "bbbbbbbb": "",
        "cccccccc": "older cccccc",
        "key-knn": "",
    }
    assert found["detail"].to_dict() == {
        "aaaaaaaa": "precision=fp32, trained on=surfaces",
        "bbbbbbbb": "precision=bf16, trained on=heads",
        "cccccccc": "precision=fp32, trained on=surfaces",
        "key-knn": "",
    }
    assert set(ranking.newest_versions(results)["method_key"]) == {"aaaaaaaa", "bbbbbbbb", "key-knn"}
