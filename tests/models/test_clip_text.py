"""The sentences, counted and spelled out, and what becomes of their embeddings."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from oracles import inctrl as oracle

from gad.models.clip_text import TEMPLATES, anomalous_texts, normal_texts, prompts_for, uses_pair
from gad.models.text_prior import class_embedding, text_prior

NAMES = ("bottle", "metal nut", "pcb1", "digit 3", "even digit", "elpv", "brainmri", "{odd} name")


@pytest.mark.parametrize("name", NAMES)
def test_counts(name: str) -> None:
    normal, anomalous = prompts_for(name)
    assert (len(normal), len(anomalous)) == (154, 88)
    assert len(set(normal) | set(anomalous)) == 154 + 88
    assert (normal, anomalous) == (normal_texts(name), anomalous_texts(name))
    for text in normal + anomalous:
        assert text.startswith("a ")
        assert text.endswith(".")
        assert text.count(name) == 1
        assert "  " not in text


def test_templates() -> None:
    assert len(TEMPLATES) == len(set(TEMPLATES)) == 22


def test_literals() -> None:
    normal, anomalous = prompts_for("metal nut")
    for text in (
        "a cropped photo of a metal nut.",
        "a cropped photo of the metal nut.",
        "a close-up photo of a flawless metal nut.",
        "a bright photo of the perfect metal nut.",
        "a dark photo of a unblemished metal nut.",
        "a jpeg corrupted photo of the metal nut without flaw.",
        "a blurry photo of a metal nut without defect.",
        "a photo of the metal nut without damage.",
        "a photo of a small flawless metal nut.",
        "a photo of the large metal nut.",
        "a photo of the metal nut for visual inspection.",
        "a photo of a metal nut without damage for anomaly detection.",
    ):
        assert text in normal
        assert text not in anomalous
    for text in (
        "a cropped photo of a damaged metal nut.",
        "a jpeg corrupted photo of the metal nut with flaw.",
        "a photo of the small metal nut with defect.",
        "a photo of a large damaged metal nut.",
        "a photo of the metal nut with damage for visual inspection.",
        "a photo of a damaged metal nut for anomaly detection.",
    ):
        assert text in anomalous
        assert text not in normal


def test_order_is_fixed() -> None:
    """Sums of embeddings depend on it in the last bits."""
    assert normal_texts("x")[:3] == [
        "a cropped photo of a x.",
        "a cropped photo of the x.",
        "a close-up photo of a x.",
    ]
    assert normal_texts("x")[22] == "a cropped photo of a flawless x."
    assert anomalous_texts("x")[-1] == "a photo of the x with damage for anomaly detection."


@pytest.mark.parametrize(
    "name",
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck", "animal"],
)
def test_pairs(name: str) -> None:
    assert uses_pair(name)
    assert prompts_for(name) == (
        [f"a photo of {name} for anomaly detection."],
        [f"a photo without {name} for anomaly detection."],
    )


@pytest.mark.parametrize("name", [*NAMES, "Cat", "cats", ""])
def test_others_use_no_pair(name: str) -> None:
    assert not uses_pair(name)


def test_sentences_need_nothing_heavy() -> None:
    script = "import sys, gad.models.clip_text; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_class_embedding_and_prior_against_the_oracle() -> None:
    draw = np.random.default_rng(0)
    sentences = (draw.normal(size=(154, 24)) * draw.uniform(0.1, 9, size=(154, 1))).astype(np.float32)
    other = draw.normal(size=(88, 24)).astype(np.float32) + 1
    normal, anomalous = class_embedding(torch.tensor(sentences)), class_embedding(torch.tensor(other))
    assert np.abs(normal.numpy() - oracle.class_embedding(list(sentences))).max() < 1e-6
    tokens = (draw.normal(size=(50, 24)) * 7).astype(np.float32)
    fast = text_prior(torch.tensor(tokens), normal, anomalous)
    slow = [oracle.text_prior(token, normal.numpy(), anomalous.numpy()) for token in tokens]
    assert fast.dtype == torch.float32
    assert np.abs(fast.numpy() - slow).max() < 1e-4
    assert torch.equal(text_prior(torch.tensor(tokens).reshape(5, 10, 24), normal, anomalous).flatten(), fast)


def test_prior_knows_its_side() -> None:
    normal, anomalous = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0])
    prior = text_prior(torch.tensor([[5.0, 0.0], [0.0, 5.0], [2.0, 2.0]]), normal, anomalous)
    assert prior.tolist() == pytest.approx([0.0, 1.0, 0.5], abs=1e-6)


def test_no_sentences_is_an_error() -> None:
    with pytest.raises(ValueError, match="n > 0"):
        class_embedding(torch.zeros(0, 4))
