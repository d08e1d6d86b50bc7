"""The catalog's cards: every row of the paper's table, with counts that add up to the published totals."""

from __future__ import annotations

import pytest

from gad.datasets import catalog

# Categories, train normals, test normals, test anomalies: from the publishers and the paper's protocol.
TOTALS = {
    "mvtec": (15, 3629, 467, 1258),
    "visa": (12, 8659, 962, 1200),
    "aitex": (1, 1692, 564, 183),
    "elpv": (1, 1131, 377, 715),
    "sdd": (1, 857, 286, 54),
    "brainmri": (1, 73, 25, 155),
    "headct": (1, 75, 25, 100),
    "mnist-one-vs-all": (10, 60_000, 10_000, 90_000),
    "mnist-multi-class": (1, 29_492, 4_926, 5_074),
    "cifar10-one-vs-all": (10, 50_000, 10_000, 90_000),
    "cifar10-multi-class": (1, 30_000, 6_000, 4_000),
}


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name: str) -> None:
    info = catalog.find(name)
    found = [(c.train_normal, c.test_normal, c.test_anomalous) for c in info.expected]
    assert (len(found), *map(sum, zip(*found, strict=True))) == TOTALS[name]
    assert all([info.title, info.licence, info.citation, info.source, info.notes])
    assert not info.bundled


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_every_category_tests_on_all_ten_thousand(name: str) -> None:
    for protocol in ("one-vs-all", "multi-class"):
        info = catalog.find(f"{name}-{protocol}")
        assert info.protocol == protocol
        assert {c.test_normal + c.test_anomalous for c in info.expected} == {10_000}


def test_class_texts_are_those_of_the_released_code() -> None:
    texts = {name: [c.text for c in catalog.find(name).expected] for name in TOTALS}
    assert texts["elpv"] == ["elpv"]
    assert texts["sdd"] == ["SDD"]
    assert texts["aitex"] == ["AITEX"]
    assert texts["brainmri"] == ["brainmri"]
    assert texts["headct"] == ["headct"]
    assert texts["mnist-one-vs-all"] == [f"digit {digit}" for digit in range(10)]
    assert texts["mnist-multi-class"] == ["even digit"]
    assert texts["cifar10-one-vs-all"][:2] == ["airplane", "automobile"]
    assert texts["cifar10-multi-class"] == ["animal"]
    assert "metal nut" in texts["mvtec"]
    assert "pipe fryum" in texts["visa"]


def test_what_is_only_known_roughly_says_so() -> None:
    assert {name for name in TOTALS if catalog.find(name).about} == {"aitex"}
    assert "about 183" in catalog.find("aitex").notes
