"""Statistics against scipy, scikit-learn and figures worked out by hand."""

from __future__ import annotations

import doctest
import itertools
import math
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from gad.leaderboard import bootstrap, perframe, published, sheet, sheetformats, significance, spreads


@pytest.mark.parametrize(
    "module", [bootstrap, perframe, published, sheet, sheetformats, significance, spreads]
)
def test_doctests(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def scores(n: int, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = (random.random(n) < 0.3).astype(np.int8)
    values = random.normal(size=(2, n)) + labels * [[1.0], [0.5]]
    return labels, values.round(0 if ties else 9)


@pytest.mark.parametrize("ties", [False, True])
def test_each_draw_is_the_area_of_a_stratified_resample(ties: bool) -> None:
    labels, values = scores(60, ties)
    found = bootstrap.auroc_draws(labels, values, draws=5, seed=3)
    streams = np.random.default_rng(3).spawn(2)
    drawn = [
        own[random.integers(len(own), size=(5, len(own)), dtype=np.int32)]
        for random, own in zip(
            streams, (np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)), strict=True
        )
    ]
    for draw, (a, b) in enumerate(zip(*drawn, strict=True)):
        index = np.concatenate([a, b])
        for method in range(2):
            assert found[method, draw] == pytest.approx(
                roc_auc_score(labels[index], values[method, index]), abs=1e-12
            )


def test_draws_do_not_depend_on_the_size_of_blocks(monkeypatch) -> None:
    labels, values = scores(50)
    whole = bootstrap.auroc_draws(labels, values, draws=40)
    assert abs(whole.mean(axis=1) - [roc_auc_score(labels, row) for row in values]).max() < 0.03
    monkeypatch.setattr(bootstrap, "BLOCK", 50 * 7)
    assert (bootstrap.auroc_draws(labels, values, draws=40) == whole).all()


def test_the_interval_covers_what_scipy_s_does() -> None:
    """Two bootstraps of the same data differ by chance: their bounds by about 1/sqrt(draws) of the width."""
    labels, values = scores(400)
    ours = bootstrap.interval(bootstrap.auroc_draws(labels, values[:1], draws=2000)[0])
    normal, anomalous = values[0, labels == 0], values[0, labels == 1]

    def area(a, b, axis=-1):
        return (a[..., :, None] < b[..., None, :]).mean(axis=(-2, -1))

    found = stats.bootstrap((normal, anomalous), area, n_resamples=2000, method="percentile", batch=50, rng=1)
    assert ours == pytest.approx(tuple(found.confidence_interval), abs=0.006)


@pytest.mark.alone
def test_a_thousand_draws_over_ten_thousand_scores_take_under_a_second() -> None:
    labels, values = scores(10_000)
    times = []
    for _ in range(3):  # the best of three: something else may have had the processor
        started = time.perf_counter()
        bootstrap.auroc_draws(labels, values[:1], draws=1000)
        times.append(time.perf_counter() - started)
    assert min(times) < 1


def test_auroc_of_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="normal and anomalous"):
        bootstrap.auroc_draws(np.zeros(3, dtype=np.int8), np.ones((1, 3)))


def test_seeds_of_a_category_share_the_draws_of_their_images() -> None:
    """Three seeds whose scores are all but the same tell no more about the test images than one does."""
    labels, values = scores(200)
    near = np.stack([[values[0] + 1e-3 * seed for seed in range(3)]])
    one = bootstrap.interval(bootstrap.auroc_draws(labels, values[:1])[0])
    found = bootstrap.mean_draws([bootstrap.Category(labels, near, 1)])
    assert found is not None
    assert bootstrap.interval(found[0]) == pytest.approx(one, abs=1e-9)
    other = bootstrap.mean_draws([bootstrap.Category(labels, near[:, :1], images) for images in (1, 2)])
    assert other is not None
    assert np.ptp(bootstrap.interval(other[0])) < 0.85 * np.ptp(one)  # two sets of images: over sqrt(2)


def test_a_category_of_one_class_counts_in_no_mean() -> None:
    labels, values = scores(50)
    own = bootstrap.Category(labels, values[:, None], 1)
    whole = bootstrap.mean_draws([own], draws=20)
    normal = bootstrap.Category(np.zeros(3, dtype=np.int8), np.ones((2, 1, 3)), 2)
    both = bootstrap.mean_draws([own, normal], draws=20)
    assert whole is not None
    assert both is not None
    assert (whole == both).all()
    assert bootstrap.mean_draws([normal]) is None


def test_categories_of_one_vs_all_are_drawn_from_the_same_images() -> None:
    """Three classes of images, each normal in one category: every draw is redone image by image."""
    random = np.random.default_rng(1)
    shows = np.repeat([0, 1, 2], (20, 30, 25))[random.permutation(75)]
    categories = [
        bootstrap.Category((shows != own).astype(np.int8), random.random((2, 1, 75)), 7) for own in range(3)
    ]
    found = bootstrap.mean_draws(categories, draws=4)
    assert found is not None
    # By class, in the order of the labels' patterns: class 0 is 0 1 1, class 1 is 1 0 1, class 2 is 1 1 0.
    members = [np.flatnonzero(shows == own) for own in range(3)]
    drawn = [
        own[stream.integers(len(own), size=(4, len(own)), dtype=np.int32)]
        for stream, own in zip(np.random.default_rng(0).spawn(3), members, strict=True)
    ]
    for draw in range(4):
        index = np.concatenate([of_class[draw] for of_class in drawn])
        for method in range(2):
            areas = [roc_auc_score(c.labels[index], c.scores[method, 0, index]) for c in categories]
            assert found[method, draw] == pytest.approx(np.mean(areas), abs=1e-12)


def test_a_spread_is_shown_with_the_number_that_it_is_over() -> None:
    """Three prompt seeds times two training seeds: a band over training seeds is over two means, not six jobs."""
    cell = {"model": "m", "options": "{}", "method_key": "x", "dataset": "d", "column_key": "c", "shots": 2}
    jobs = [
        {**cell, "status": "done", "seed": s, "training_seed": t, "auroc": 0.5 + 0.1 * t}
        for s in range(3)
        for t in range(2)
    ]
    cell |= {"protocol": "industrial", "test_images": None, "last_run": "1"}
    whole = {**cell, "auroc_mean": 0.55, "auroc_std": 0.0, "n_seeds": 3, "n_planned": 3}
    for over, n in (("training", 2), ("prompts", 3)):
        found = spreads.bands(pd.DataFrame([whole]), pd.DataFrame(jobs), "auroc", over)
        (line,) = spreads.sheet(found, ["x"], str, "auroc", over).rows
        assert (line[2].n, line[2].complete) == (n, True)
    partly = spreads.bands(pd.DataFrame([{**whole, "n_planned": 4}]), pd.DataFrame(jobs), "auroc", "prompts")
    (line,) = spreads.sheet(partly, ["x"], str, "auroc", "prompts").rows
    assert line[2].text().endswith("(3 of 4)")


def wide(methods: int, datasets: int, seed: int = 0) -> pd.DataFrame:
    values = np.random.default_rng(seed).random((methods, datasets)) + np.arange(methods)[:, None] * 0.2
    return pd.DataFrame(values, index=list("abcdefg"[:methods]), columns=[f"d{i}" for i in range(datasets)])


def test_friedman_by_hand() -> None:
    """Four methods, six datasets, ranks 1 2 3 4 always: chi2 = 12 n / (k (k + 1)) * (sum R² - k (k + 1)² / 4).

    With R = 1, 2, 3, 4 that is 12 * 6 / 20 * (30 - 25) = 18.
    """
    table = pd.DataFrame([[0.9 - 0.1 * i] * 6 for i in range(4)], index=list("abcd"))
    found = significance.friedman(table)
    assert found is not None
    assert found.statistic == pytest.approx(18)
    assert found.p == pytest.approx(stats.chi2.sf(18, 3))


def test_friedman_needs_three_methods_and_six_datasets() -> None:
    assert significance.friedman(wide(2, 8)) is None
    assert significance.friedman(wide(3, 5)) is None
    assert significance.friedman(wide(3, 6)) is not None
    same = significance.friedman(pd.DataFrame(np.ones((3, 6))))
    assert same is not None
    assert same.p == 1


def test_wilcoxon_is_scipy_s_and_holm_is_by_hand() -> None:
    table = wide(4, 9)
    found = significance.wilcoxon_pairs(table)
    assert [(r.a, r.b) for r in found.itertuples()] == list(itertools.combinations("abcd", 2))
    expected = [
        stats.wilcoxon(table.loc[a] - table.loc[b]).pvalue for a, b in itertools.combinations("abcd", 2)
    ]
    assert found["p"].tolist() == pytest.approx(expected)
    order, corrected, largest = sorted(range(6), key=expected.__getitem__), {}, 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (6 - place) * expected[index]))
        corrected[index] = largest
    assert found["holm"].tolist() == pytest.approx([corrected[i] for i in range(6)])


def test_six_datasets_the_same_way_give_wilcoxon_s_smallest_p() -> None:
    """All six differences positive: the probability of that or its mirror image is 2 / 2^6."""
    table = pd.DataFrame([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.0] * 6], index=["a", "b"])
    assert significance.wilcoxon_pairs(table)["p"].tolist() == pytest.approx([2 / 64])


def test_few_datasets_or_seeds_never_make_a_p_value() -> None:
    found = significance.wilcoxon_pairs(wide(3, 3))
    assert found["p"].isna().all()
    assert found["holm"].isna().all()
    assert significance.cliques(pd.Series({"a": 1.0, "b": 2.0, "c": 3.0}), found) == [["a", "b", "c"]]


def test_a_dataset_that_one_method_lacks_is_left_out_of_every_test() -> None:
    table = wide(3, 8)
    table.loc["a", "d0"] = math.nan
    assert significance.wilcoxon_pairs(table)["n"].tolist() == [7, 7, 7]


def test_average_ranks_by_hand() -> None:
    table = pd.DataFrame({"x": [0.9, 0.8, 0.7], "y": [0.5, 0.5, 0.1]}, index=list("abc"))
    assert significance.ranks(table).mean(axis=1).tolist() == [1.25, 1.75, 3.0]
    assert significance.ranks(table, higher_is_better=False).mean(axis=1).tolist() == [2.75, 2.25, 1.0]


def test_rank_intervals_are_wider_for_those_that_change_places() -> None:
    ranked = np.array([[1.0] * 8, [2.0, 3.0] * 4, [3.0, 2.0] * 4])
    low, high = significance.rank_interval(ranked).T
    assert (low[0], high[0]) == (1, 1)
    assert 2 < low[1] < 2.5 < high[1] < 3
    assert np.isnan(significance.rank_interval(ranked[:, :1])).all()


def test_the_rank_interval_is_that_of_a_binomial_by_hand() -> None:
    """Ranks 1 and 2 on twenty datasets each: the mean is 1 + X / 40, X of 40 halves; 14 and 26 cut off 2.5 %."""
    ranked = np.array([[1.0, 2.0] * 20, [2.0, 1.0] * 20])
    assert significance.rank_interval(ranked)[0].tolist() == [1 + 14 / 40, 1 + 26 / 40]


def test_a_pool_with_a_protocol_missing_has_no_average() -> None:
    table = pd.DataFrame({"mnist-one-vs-all": [0.8, 0.9], "mnist-multi-class": [0.6, math.nan]}, ["a", "b"])
    assert np.isnan(significance.by_unit(table)["mnist"]).tolist() == [False, True]
