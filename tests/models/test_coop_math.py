"""CoOp's training and scores against the slow oracle, on the bundled CLIP; CLIP zero-shot beside it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles import coop as oracle

from gad.harness.adapter import Auxiliary, Context, Features
from gad.harness.errors import ModelError
from gad.harness.nouns import FeatureInput
from gad.models.backbones import clip, describe, spec
from gad.models.backbones.text_tower import TextTower
from gad.models.clip_zero_shot.adapter import ClipZeroShot
from gad.models.clip_zero_shot.info import Options as ZeroShotOptions
from gad.models.coop import training
from gad.models.coop.adapter import CoOp
from gad.models.coop.info import Options, inputs, steps, usual_epochs

RECIPE = training.Recipe(context=4, epochs=3, batch=6, learning_rate=0.05, training_seed=10)


@pytest.fixture(scope="module")
def encoder() -> clip.ClipEncoder:
    return clip.load(spec.parse("tiny"))


@pytest.fixture(scope="module")
def tower(encoder: clip.ClipEncoder) -> TextTower:
    return TextTower(encoder)


def tokens(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 128, generator=torch.Generator().manual_seed(seed))


def auxiliary(shots: int, tower: TextTower | None, anomalies: int = 5) -> Auxiliary:
    """Two categories of 7 normal and some anomalous images."""
    labels = np.array(([0] * 7 + [1] * anomalies) * 2, np.int8)
    count = len(labels)
    return Auxiliary(
        features=Features(class_tokens=tokens(count).numpy() + labels[:, None]),
        ids=np.array([f"{i}.png" for i in range(count)]),
        splits=np.zeros(count, np.int8),
        labels=labels,
        categories=np.repeat([0, 1], count // 2),
        names=("bolt", "nut"),
        texts=None,
        shots=shots,
        tower=tower,
    )


def test_the_tower_reads_as_the_encoder_does(encoder: clip.ClipEncoder, tower: TextTower) -> None:
    lines = ["a photo of a damaged bolt.", "a nut", "x " * 60]
    ids = tower.tokens(lines)
    assert ids.shape[1] < tower.context_length
    with torch.no_grad():
        found = tower.encode(tower.embedded(ids), ids).numpy()
    np.testing.assert_allclose(found, encoder.texts(lines), atol=1e-5)


def test_training_is_the_papers(encoder: clip.ClipEncoder, tower: TextTower) -> None:
    images, labels = tokens(16), [0, 1] * 8
    context, texts, losses = training.train(tower, images, torch.tensor(labels), RECIPE)
    rates = [1e-5, 0.05 * (1 + math.cos(math.pi / 3)) / 2, 0.05 * (1 + math.cos(2 * math.pi / 3)) / 2]
    steps = [(rates[epoch], rows.tolist()) for epoch, rows in training.batches(16, RECIPE)]
    assert [len(rows) for _, rows in steps] == [6, 6, 4] * 3
    assert sorted(row for _, rows in steps[3:6] for row in rows) == list(range(16))
    first = training.first_context(RECIPE, tower.width)
    slow, slow_losses = oracle.trained(encoder.model, encoder.tokenizer, first, images, labels, steps)
    assert float((slow - first).abs().max()) > 1e-2  # it did learn something
    assert losses == pytest.approx(slow_losses, rel=1e-4)
    np.testing.assert_allclose(context.numpy(), slow.numpy(), atol=1e-4)
    with torch.no_grad():
        both = torch.stack(oracle.sentences(encoder.model, encoder.tokenizer, slow))
    np.testing.assert_allclose(texts.numpy(), both.numpy(), atol=1e-4)


def test_the_usual_recipe() -> None:
    assert [usual_epochs(k) for k in (1, 2, 4, 8, 16)] == [50, 100, 100, 200, 200]
    assert steps(Options(), 4, 15, 3000) == 100 * 4  # 120 images in batches of 32
    assert steps(Options(epochs=3, batch=120), 4, 15, 3000) == 3
    first = training.first_context(replace(RECIPE, context=64), 500)
    assert float(first.std()) == pytest.approx(0.02, rel=0.02)


def test_k_images_of_each_kind_and_category(tower: TextTower) -> None:
    two, four = (training.chosen(auxiliary(k, tower)) for k in (2, 4))
    given = auxiliary(4, tower)
    assert len(set(four)) == len(four) == 2 * 2 * 4
    pairs = list(zip(given.categories[four].tolist(), given.labels[four].tolist(), strict=True))
    assert {pair: pairs.count(pair) for pair in pairs} == {(c, y): 4 for c in (0, 1) for y in (0, 1)}
    assert set(two) < set(four)
    with pytest.raises(ModelError, match="category bolt has 5 anomalous samples; CoOp needs 6"):
        training.chosen(auxiliary(6, tower))


def test_from_training_to_scores(tower: TextTower) -> None:
    options = Options(backbone="tiny", context=4, epochs=4, learning_rate=0.05)
    trainer = CoOp(options, Context(category="", text="", seed=10))
    checkpoint = trainer.train(auxiliary(4, tower))
    again = CoOp(options, Context(category="", text="", seed=10)).train(auxiliary(4, tower))
    other = CoOp(options, Context(category="", text="", seed=11)).train(auxiliary(4, tower))
    assert np.array_equal(checkpoint.arrays["context"], again.arrays["context"])
    assert not np.array_equal(checkpoint.arrays["context"], other.arrays["context"])
    detector = CoOp(options, Context(category="c", text="c", seed=0))
    queries = Features(class_tokens=tokens(6, seed=5).numpy())
    with pytest.raises(ModelError, match="before load"):
        detector.prepare(queries)
    detector.load(checkpoint.arrays)
    with pytest.raises(ModelError, match="before prepare"):
        detector.score(queries)
    detector.prepare(queries.rows(0, 0))
    found = detector.score(queries)
    assert found == pytest.approx(probabilities(queries.class_tokens, checkpoint.arrays["texts"]), abs=1e-5)
    assert np.array_equal(np.concatenate([detector.score(queries.rows(i, i + 1)) for i in range(6)]), found)
    with pytest.raises(ModelError, match="was not given"):
        trainer.train(auxiliary(4, None))


def probabilities(images: np.ndarray, texts: np.ndarray) -> list[float]:
    """exp(100 cos) at the anomalous text over the sum of both, in float64."""
    found = []
    for image in images.astype(np.float64):
        normal, anomalous = (
            100 * float(image @ text) / math.sqrt(float(image @ image) * float(text @ text))
            for text in texts.astype(np.float64)
        )
        found.append(1 / (1 + math.exp(normal - anomalous)))
    return found


def test_clip_zero_shot() -> None:
    """Nothing but the text prior, with no prompt at all."""
    texts, images = tokens(2, seed=9).numpy(), tokens(6, seed=5).numpy()
    detector = ClipZeroShot(ZeroShotOptions(backbone="tiny"), Context(category="c", text="c", seed=0))
    queries = Features(class_tokens=images, text=texts)
    with pytest.raises(ModelError, match="before prepare"):
        detector.score(queries)
    detector.prepare(queries.rows(0, 0))
    found = detector.score(queries)
    assert found == pytest.approx(probabilities(images, texts), abs=1e-5)
    assert np.array_equal(np.concatenate([detector.score(queries.rows(i, i + 1)) for i in range(6)]), found)


def test_an_encoder_without_a_text_tower_is_refused() -> None:
    assert describe.resolve(inputs(Options(backbone="tiny"))).text_tower
    with pytest.raises(ModelError, match="no text encoder"):
        describe.resolve(inputs(Options(backbone="timm:resnet18")))
    assert "text_tower" not in FeatureInput(backbone="tiny").model_dump()
