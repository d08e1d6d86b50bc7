"""Curves against scikit-learn, and the images that are picked against an order made by hand."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import precision_recall_curve, roc_curve

from gad.leaderboard import comparison, curves, optionaxis, pictures, trainingcurves


@pytest.mark.parametrize("module", [comparison, curves, optionaxis, trainingcurves])
def test_doctests(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("digits", [0, 9])
def test_curves_are_scikit_learn_s(digits: int) -> None:
    random = np.random.default_rng(0)
    labels = (random.random(200) < 0.4).astype(np.int8)
    scores = (random.normal(size=200) + labels).round(digits)
    x, y, _ = roc_curve(labels, scores, drop_intermediate=False)
    ours = curves.roc(labels, scores)
    assert np.allclose(ours[0], x)
    assert np.allclose(ours[1], y)
    precision, recall, _ = precision_recall_curve(labels, scores)
    ours = curves.precision_recall(labels, scores)
    assert np.allclose(ours[0], precision[::-1])
    assert np.allclose(ours[1], recall[::-1])


def test_a_long_curve_keeps_its_ends() -> None:
    x, y = curves.thin(np.arange(10_000.0), np.arange(10_000.0), most=100)
    assert (x[0], x[-1], len(x)) == (0, 9999, 100)
    assert x == y


SCORES = pd.DataFrame(
    {"sample_id": list("abcdef"), "label": [0, 0, 0, 1, 1, 1], "score": [0.1, 0.9, 0.5, 0.2, 0.6, 0.95]}
)


def test_worst_images_by_hand() -> None:
    alarms = curves.picked(SCORES, "alarms", 2)
    assert alarms["sample_id"].tolist() == ["b", "c"]
    assert alarms["standing"].tolist() == pytest.approx([2 / 3, 1 / 3])
    missed = curves.picked(SCORES, "missed", 2)
    assert missed["sample_id"].tolist() == ["d", "e"]
    assert missed["standing"].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_disagreement_is_in_places_not_in_scores() -> None:
    other = SCORES.assign(score=SCORES["score"] * 100)
    assert (curves.picked(SCORES, "disagreement", 6, other)["standing"] == 0).all()
    other.loc[0, "score"] = 1000.0
    found = curves.picked(SCORES, "disagreement", 1, other)
    assert found["sample_id"].tolist() == ["a"]
    assert found["standing"].tolist() == pytest.approx([1 / 6 - 1])


def test_an_outline_is_drawn_around_the_mask_alone() -> None:
    mask = Image.new("L", (40, 40))
    mask.paste(255, (10, 10, 30, 30))
    found = np.asarray(pictures.outlined(Image.new("RGB", (40, 40)), mask))
    marked = (found == pictures.OUTLINE).all(axis=-1)
    assert marked[10, 15]
    assert not marked[20, 20]
    assert not marked[5, 5]


def test_a_name_that_is_a_path_is_no_dataset(tmp_path) -> None:
    assert pictures.album(tmp_path, "../etc", "x").prepared is None
    assert pictures.album(None, "d", "x").why


def test_paired_differences_by_hand() -> None:
    jobs = pd.DataFrame(
        [
            {
                "method_key": m,
                "dataset": "d",
                "column_key": c,
                "shots": 2,
                "seed": s,
                "status": "done",
                "auroc": v,
            }
            for m, c, s, v in [
                ("a", "new", 0, 0.5),
                ("a", "new", 1, 0.6),
                ("b", "new", 0, 0.7),
                ("b", "new", 1, 0.9),
                ("b", "old", 1, 0.1),
            ]
        ]
    )
    values = comparison.values(jobs, 2, "auroc", "dataset")
    found = comparison.differences(values, "a", ["b"])["b", "d"]
    assert (found.mean, found.n, found.wins) == (pytest.approx(0.25), 2, 2)
    assert found.std == pytest.approx(0.1 / 2**0.5)


def test_words_of_tests_over_datasets() -> None:
    means = {name: [0.9 - 0.1 * i + 0.01 * j for j in range(7)] for i, name in enumerate("abc")}
    wide = pd.DataFrame.from_dict(means, orient="index", columns=[f"d{j}" for j in range(7)])
    table, average, groups = comparison.tests(wide, "auroc", str, "")
    words = table.note
    assert average.tolist() == [1, 2, 3]
    assert len(table.rows) == 3
    assert groups == []  # 2 / 2^7 times three is 0.047
    assert "All of them are told apart" in words
