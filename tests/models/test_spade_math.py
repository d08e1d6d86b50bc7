"""SPADE against the slow oracle, on features of a ResNet-18 with generated weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from encoded import RESNET, SIZE, features
from oracles import maps as slow_maps
from oracles import spade as oracle

from gad.harness.adapter import Context, Features, Scored
from gad.harness.errors import ModelError
from gad.models.feature_maps import smoothed
from gad.models.spade.adapter import Spade
from gad.models.spade.info import Options


def adapter(shots: int, *, maps: bool = False, neighbours: int = 50) -> Spade:
    options = Options(backbone=RESNET, neighbours=neighbours)
    made = Spade(options, Context(category="c", text="c", seed=0, maps=maps))
    made.prepare(features(shots, seed=1))
    return made


def layers_of(given: Features, image: int) -> list[np.ndarray]:
    return [given.tokens[layer][image] for layer in sorted(given.tokens)]


@pytest.mark.parametrize(("shots", "neighbours"), [(1, 50), (4, 50), (4, 2), (4, 1)])
def test_scores_are_mean_distances_of_pooled_features(shots: int, neighbours: int) -> None:
    prompts, queries = features(shots, seed=1), features(6, seed=70)
    found = adapter(shots, neighbours=neighbours).score(queries)
    assert found.maps is None  # nobody looks at them
    for image in range(6):
        slow = oracle.image_score(queries.class_tokens[image], list(prompts.class_tokens), neighbours)
        assert float(found.scores[image]) == pytest.approx(slow, rel=1e-4)


@pytest.mark.parametrize("neighbours", [50, 1])
def test_maps_are_correspondences(neighbours: int) -> None:
    prompts, queries = features(3, seed=1), features(2, seed=70)
    found = adapter(3, maps=True, neighbours=neighbours).score(queries)
    assert np.array_equal(found.scores, adapter(3, neighbours=neighbours).score(queries).scores)
    assert found.maps is not None
    assert found.maps.shape == (2, SIZE, SIZE)
    for image in range(2):
        shown = oracle.nearest(queries.class_tokens[image], list(prompts.class_tokens), neighbours)
        slow = oracle.patch_map(layers_of(queries, image), [layers_of(prompts, k) for k in shown])
        assert found.maps[image] == pytest.approx(slow_maps.smoothed(slow, SIZE), rel=1e-4)


def test_smoothing_mirrors_at_the_border() -> None:
    """Also where the Gaussian is larger than the picture."""
    rough = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(0))
    for size in (5, 12, 40):
        for image, found in enumerate(smoothed(rough, size)):
            assert found == pytest.approx(slow_maps.smoothed(rough[image].numpy(), size), rel=1e-5)
    with pytest.raises(ValueError, match="what size"):
        smoothed(rough, 0)


def test_scores_do_not_depend_on_the_batch() -> None:
    detector, queries = adapter(3, maps=True), features(6, seed=70)
    whole = detector.score(queries)
    one_by_one = [detector.score(queries.rows(i, i + 1)) for i in range(6)]
    assert np.array_equal(np.concatenate([each.scores for each in one_by_one]), whole.scores)
    assert np.array_equal(np.concatenate([shown(each) for each in one_by_one]), shown(whole))


def shown(scored: Scored) -> np.ndarray:
    assert scored.maps is not None
    return scored.maps


def test_prompts_come_first() -> None:
    detector = Spade(Options(backbone=RESNET), Context(category="c", text="c", seed=0))
    with pytest.raises(ModelError, match=r"Spade\.score was called before prepare"):
        detector.score(features(2, seed=70))
