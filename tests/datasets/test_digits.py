"""The bundled digits against scikit-learn itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from gad.datasets import catalog
from gad.harness import manifest
from gad.harness.images import open_image
from gad.harness.nouns import Sample
from gad.harness.prompts import draw

IMAGES, DIGITS = load_digits(return_X_y=True)
TRAIN, TEST = train_test_split(np.arange(len(DIGITS)), test_size=0.5, stratify=DIGITS, random_state=0)


def number(sample: Sample) -> int:
    return int(sample.id.removeprefix("digits.npy#"))


def knn_auroc(data: Path, name: str, shots: int, seeds: range) -> float:
    """Distance to the nearest of K prompts, on scikit-learn's own numbers; macro mean."""
    prepared = manifest.load(data, name)
    values = []
    for category in prepared.categories:
        samples = manifest.read_samples(prepared, category=category.category)
        train = [s for s in samples if s.split == "train"]
        test = [s for s in samples if s.split == "test"]
        for seed in seeds:
            prompts = draw(name, category.category, seed, train, shots).samples
            gaps = IMAGES[[number(s) for s in test]][:, None] - IMAGES[[number(s) for s in prompts]][None]
            scores = np.linalg.norm(gaps, axis=-1).min(axis=1)
            values.append(roc_auc_score([s.label for s in test], scores))
    return float(np.mean(values))


@pytest.mark.parametrize("digit", range(10))
def test_one_vs_all_is_sklearns_split(bundled: Path, digit: int) -> None:
    prepared = manifest.load(bundled, "digits-one-vs-all")
    train = manifest.read_samples(prepared, category=str(digit), split="train")
    test = manifest.read_samples(prepared, category=str(digit), split="test")
    assert {number(s) for s in train} == {int(i) for i in TRAIN if DIGITS[i] == digit}
    assert all(s.label == 0 and s.defect == "" for s in train)
    assert sorted(number(s) for s in test) == sorted(int(i) for i in TEST)
    for s in test:
        shown = DIGITS[number(s)]
        assert (s.label, s.defect) == ((0, "") if shown == digit else (1, f"digit {shown}"))


def test_multi_class_is_even_against_odd(bundled: Path) -> None:
    prepared = manifest.load(bundled, "digits-multi-class")
    assert [(c.category, c.text) for c in prepared.categories] == [("even", "even digit")]
    for s in manifest.read_samples(prepared):
        assert s.label == DIGITS[number(s)] % 2
        assert (s.split == "train") == (number(s) in set(TRAIN.tolist()))


@pytest.mark.parametrize("name", ["digits-one-vs-all", "digits-multi-class"])
def test_counts_are_the_cards(bundled: Path, name: str) -> None:
    prepared = manifest.load(bundled, name)
    found = {c.category: c.model_copy(update={"test_digest": ""}) for c in prepared.categories}
    assert found == {c.category: c for c in catalog.DATASETS[name].expected}
    assert prepared.warnings == ()


def test_images_are_sklearns(bundled: Path) -> None:
    prepared = manifest.load(bundled, "digits-multi-class")
    for s in manifest.read_samples(prepared)[::50]:
        pixels = np.asarray(open_image(prepared.root_path, s))
        assert pixels.dtype == np.uint8
        wanted = [round(value * 255 / 16) for value in IMAGES[number(s)]]
        assert pixels.ravel().tolist() == wanted


def test_fingerprints_are_fixed(bundled: Path) -> None:
    """A change here changes every stored result's meaning."""
    found = {
        name: manifest.load(bundled, name).fingerprint for name in ("digits-one-vs-all", "digits-multi-class")
    }
    assert found == {
        "digits-one-vs-all": "42d9f539874c96bd94efaceb66e792ff0ca3c210c7e67dfab50f2b136b08f3a7",
        "digits-multi-class": "d70898a5aa1b9614593521ad1b5da7a02d8512d3bd308ad74ac91946b23f4457",
    }


@pytest.mark.parametrize(
    ("name", "shots", "low", "high"),
    [
        ("digits-one-vs-all", 2, 0.88, 0.95),
        ("digits-one-vs-all", 4, 0.93, 0.98),
        ("digits-one-vs-all", 8, 0.95, 0.99),
        ("digits-multi-class", 2, 0.58, 0.75),
        ("digits-multi-class", 4, 0.66, 0.81),
        ("digits-multi-class", 8, 0.74, 0.86),
    ],
)
def test_nearest_prompt_gives_known_auroc(
    bundled: Path, name: str, shots: int, low: float, high: float
) -> None:
    # One draw of even digits says little (its AUROC varies by 0.1): take the mean of many.
    seeds = range(3) if name == "digits-one-vs-all" else range(40)
    assert low < knn_auroc(bundled, name, shots, seeds) < high
