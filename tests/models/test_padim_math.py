"""PaDiM against the slow oracle, on features of a ResNet-18 with generated weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from encoded import RESNET, SIZE, features
from oracles import padim as oracle

from gad.harness.adapter import Context, Features
from gad.harness.errors import ModelError
from gad.models.padim import score as fast
from gad.models.padim.adapter import Padim
from gad.models.padim.info import Options


def adapter(shots: int, seed: int = 0, **options: float) -> Padim:
    made = Padim(Options(backbone=RESNET, **options), Context(category="c", text="c", seed=seed))
    made.prepare(features(shots, seed=1))
    return made


def layers_of(given: Features, image: int) -> list[np.ndarray]:
    return [given.tokens[layer][image] for layer in sorted(given.tokens)]


@pytest.mark.parametrize(("shots", "channels", "epsilon"), [(1, 12, 0.01), (2, 0, 0.01), (4, 30, 0.5)])
def test_from_tokens_to_scores(shots: int, channels: int, epsilon: float) -> None:
    prompts, queries = features(shots, seed=1), features(3, seed=70)
    detector = adapter(shots, seed=3, channels=channels, epsilon=epsilon)
    assert len(detector.chosen) == (channels or 100)
    found = detector.score(queries)
    assert found.maps is not None
    for image in range(3):
        slow = oracle.image_map(
            layers_of(queries, image),
            [layers_of(prompts, prompt) for prompt in range(shots)],
            detector.chosen.tolist(),
            epsilon,
            SIZE,
        )
        assert found.maps[image] == pytest.approx(slow, rel=1e-4)
        assert float(found.scores[image]) == pytest.approx(slow.max(), rel=1e-4)


@pytest.mark.parametrize("shots", [2, 5, 9])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (30.0, 200.0), (0.01, 1.0)])
def test_distances_of_any_scale(shots: int, scale: float, offset: float) -> None:
    """Also with more prompts than channels, among the prompts themselves, and of identical prompts."""
    random = np.random.default_rng(shots)
    prompts = (scale * random.normal(size=(shots, 4, 6)) + offset).astype(np.float32)
    prompts[:, 0] = prompts[0, 0]
    queries = (scale * random.normal(size=(4, 6)) + offset, prompts[1])
    fitted = fast.fit(torch.from_numpy(prompts), 0.01)
    for query in queries:
        query = query.astype(np.float32)
        found = fast.mahalanobis(torch.from_numpy(query), fitted).numpy()
        slow = oracle.distances(query.reshape(2, 2, 6), list(prompts.reshape(shots, 2, 2, 6)), 0.01)
        assert found == pytest.approx(slow.reshape(4), rel=1e-4, abs=1e-9)


def test_channels_are_drawn_by_the_seed() -> None:
    assert fast.how_many(0, 1792, "timm:wide_resnet50_2.tv_in1k") == 550
    assert fast.how_many(0, 448, "timm:resnet18.tv_in1k") == 100
    assert fast.how_many(0, 384, "tiny") == 384
    drawn = fast.draw(100, 448, seed=3)
    assert torch.equal(drawn, fast.draw(100, 448, seed=3))
    assert not torch.equal(drawn, fast.draw(100, 448, seed=4))
    assert len(set(drawn.tolist())) == 100
    with pytest.raises(ModelError, match="449 asked for, timm:resnet18@32 has 448"):
        adapter(2, channels=449)


def test_scores_do_not_depend_on_the_batch() -> None:
    detector, queries = adapter(3), features(6, seed=70)
    whole = detector.score(queries)
    one_by_one = [detector.score(queries.rows(i, i + 1)).scores for i in range(6)]
    assert np.concatenate(one_by_one) == pytest.approx(whole.scores, rel=1e-5)


def test_prompts_come_first() -> None:
    detector = Padim(Options(backbone=RESNET), Context(category="c", text="c", seed=0))
    with pytest.raises(ModelError, match=r"Padim\.score was called before prepare"):
        detector.score(features(2, seed=70))
