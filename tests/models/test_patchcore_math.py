"""PatchCore's features, coreset and scores against the slow oracle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import patchcore as oracle

from gad.harness.adapter import Context, Features
from gad.models.patchcore import score as fast
from gad.models.patchcore.adapter import PatchCore, local
from gad.models.patchcore.info import Options


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "sizes",
    [
        ((6, 6), (3, 3)),
        ((3, 3), (6, 6)),
        ((5, 5), (3, 3)),
        ((4, 4), (4, 4)),
        ((6, 4), (3, 2)),
        ((2, 2), (1, 1)),
    ],
)
def test_local_features(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    maps = [random(2, 3, *sizes[0], seed=1) + 2, random(2, 5, *sizes[1], seed=2)]
    found = fast.local_features(maps)
    for i in range(2):
        slow = oracle.local_features([layer[i].numpy() for layer in maps])
        assert found[i].shape == slow.shape
        assert np.abs(found[i].numpy() - slow).max() < 1e-5


def test_tokens_become_a_map() -> None:
    tokens = random(2, 9, 4)
    grid = fast.token_map(tokens)
    assert grid.shape == (2, 4, 3, 3)
    assert torch.equal(grid[1, :, 2, 1], tokens[1, 7])
    with pytest.raises(ValueError, match="not a square"):
        fast.token_map(random(1, 8, 4))


@pytest.mark.parametrize("seed", range(5))
def test_coreset_is_greedy(seed: int) -> None:
    bank = random(60, 6, seed=seed) + 5
    chosen = fast.coreset(bank, 12, seed).tolist()
    assert chosen == oracle.coreset(bank.numpy(), 12, first=chosen[0])
    assert chosen == fast.coreset(bank, 12, seed).tolist()


def test_coreset_starts_from_its_seed() -> None:
    bank = random(60, 6)
    assert len({int(fast.coreset(bank, 1, seed)[0]) for seed in range(20)}) > 5


def test_coreset_of_duplicates_is_distinct() -> None:
    chosen = fast.coreset(torch.ones(8, 3), 8, seed=0)
    assert sorted(chosen.tolist()) == list(range(8))
    with pytest.raises(ValueError, match="impossible"):
        fast.coreset(torch.ones(8, 3), 9, seed=0)


def test_bank_is_whole_until_ten_thousand_patches() -> None:
    assert len(fast.memory_bank(random(1, 99, 101, 2), seed=0).features) == 9_999
    features = random(1, 100, 100, 2)
    bank = fast.memory_bank(features, seed=3)
    assert len(bank.features) == 1_000
    assert torch.equal(
        bank.features, features.reshape(-1, 2)[fast.coreset(features.reshape(-1, 2), 1_000, 3)]
    )


def adapter(seed: int = 0) -> PatchCore:
    return PatchCore(Options(backbone="tiny"), Context(category="c", text="c", seed=seed))


def stages(count: int, sides: tuple[int, ...], seed: int) -> Features:
    """Tokens as they are stored: every next layer coarser and wider, as in a CNN, or (same side) a ViT's."""
    tokens = {
        layer: (random(count, side * side, 3 * layer, seed=seed + layer) + 1).half().numpy()
        for layer, side in enumerate(sides, start=2)
    }
    return Features(class_tokens=np.zeros((count, 1), np.float32), tokens=tokens)


def layers_of(features: Features, image: int) -> list[np.ndarray]:
    return [features.tokens[layer][image] for layer in sorted(features.tokens)]


@pytest.mark.parametrize("sides", [(6, 3), (5, 3, 2), (4, 4)])
@pytest.mark.parametrize("shots", [1, 3])
def test_from_tokens_to_scores(sides: tuple[int, ...], shots: int) -> None:
    prompts, queries = stages(shots, sides, seed=1), stages(2, sides, seed=70)
    detector = adapter()
    detector.prepare(prompts)
    found = detector.score(queries)
    for image in range(2):
        slow = oracle.image_score(
            layers_of(queries, image), [layers_of(prompts, prompt) for prompt in range(shots)]
        )
        assert float(found.scores[image]) == pytest.approx(slow, rel=1e-4)


@pytest.mark.parametrize("whole", [72, 73])
def test_from_tokens_to_scores_with_a_coreset(whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bank of 72 patches is a tenth of itself where it is not below the limit, and whole where it is."""
    monkeypatch.setattr(fast, "FULL_BANK", whole)
    prompts, queries = stages(2, (6, 3), seed=1), stages(2, (6, 3), seed=70)
    detector = adapter(seed=4)
    detector.prepare(prompts)
    rows = local(prompts).flatten(0, 2)
    first = int(fast.coreset(rows, 1, seed=4)[0])
    assert detector.bank is not None
    assert len(detector.bank.features) == (7 if whole == 72 else 72)
    found = detector.score(queries)
    for image in range(2):
        slow = oracle.image_score(
            layers_of(queries, image), [layers_of(prompts, prompt) for prompt in range(2)], first, whole
        )
        assert float(found.scores[image]) == pytest.approx(slow, rel=1e-4)


@pytest.mark.parametrize("shots", range(1, 9))
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (30.0, 200.0), (0.01, 1.0)])
def test_scores_agree_with_the_oracle(shots: int, scale: float, offset: float) -> None:
    """Relative: distances have no bound. Far from the origin a product of vectors would cancel."""
    prompts = scale * random(shots, 4, 4, 10, seed=shots) + offset
    queries = scale * random(3, 4, 4, 10, seed=50 + shots) + offset
    queries[1, 0, 0] += 4 * scale
    queries[2] = prompts[0] + 0.01 * scale * random(4, 4, 10, seed=9)
    bank = fast.memory_bank(prompts, seed=0)
    scores, maps = fast.score(queries, bank)
    for i in range(3):
        slow, slow_map = oracle.score(queries[i].numpy(), prompts.reshape(-1, 10).numpy())
        assert float(scores[i]) == pytest.approx(slow, rel=1e-4)
        assert maps[i].numpy() == pytest.approx(slow_map, rel=1e-4)


@pytest.mark.parametrize("patches", range(1, 13))
def test_small_banks(patches: int) -> None:
    """Nine neighbours or as many as there are; one alone is not weighed down to nothing."""
    prompts, queries = random(1, 1, patches, 5, seed=patches), random(2, 2, 2, 5, seed=99)
    scores, _ = fast.score(queries, fast.memory_bank(prompts, seed=0))
    for i in range(2):
        slow, _ = oracle.score(queries[i].numpy(), prompts.reshape(-1, 5).numpy())
        assert slow > 0
        assert float(scores[i]) == pytest.approx(slow, rel=1e-4)


def test_large_distances_do_not_overflow() -> None:
    prompts, queries = 1e4 * random(1, 3, 3, 5), 1e5 * random(1, 3, 3, 5, seed=1)
    scores, _ = fast.score(queries, fast.memory_bank(prompts, seed=0))
    slow, _ = oracle.score(queries[0].numpy(), prompts.reshape(-1, 5).numpy())
    assert float(scores[0]) == pytest.approx(slow, rel=1e-4)


def test_a_prompt_scores_nothing() -> None:
    prompts = random(2, 4, 4, 6) + 3
    scores, maps = fast.score(prompts, fast.memory_bank(prompts, seed=0))
    assert not scores.any()
    assert not maps.any()


def test_identical_prompts_give_finite_scores() -> None:
    prompts = torch.ones(2, 4, 4, 6)
    scores, _ = fast.score(random(2, 4, 4, 6), fast.memory_bank(prompts, seed=0))
    assert bool(torch.isfinite(scores).all())
    assert bool((scores > 0).all())


def test_scores_do_not_depend_on_the_batch() -> None:
    bank, queries = fast.memory_bank(random(3, 5, 5, 12), seed=0), random(9, 5, 5, 12, seed=1)
    scores, maps = fast.score(queries, bank)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    shuffled, shuffled_maps = fast.score(queries[order], bank)
    assert torch.equal(shuffled, scores[order])
    assert torch.equal(shuffled_maps, maps[order])
    assert torch.equal(torch.cat([fast.score(queries[i : i + 1], bank)[0] for i in range(9)]), scores)
