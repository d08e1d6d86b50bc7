"""WinCLIP's few-shot maps and scores against the slow oracle and hand-worked grids."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import winclip as oracle

from gad.models.winclip import score as fast


@pytest.mark.parametrize(("side", "size"), [(3, 2), (3, 3), (5, 2), (5, 3), (4, 1), (15, 2), (15, 3)])
def test_windows(side: int, size: int) -> None:
    assert fast.windows(side, size).tolist() == oracle.windows(side, size)


def test_windows_by_hand() -> None:
    assert fast.windows(3, 2).tolist() == [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]
    assert fast.windows(15, 2).shape == (196, 4)
    assert fast.windows(15, 3).shape == (169, 9)


@pytest.mark.parametrize("size", [0, 4])
def test_windows_that_do_not_fit(size: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        fast.windows(3, size)


def test_spreading_by_hand() -> None:
    """A 3x3 grid with 2x2 windows of 1, 2, 4, 4: the middle patch lies in all four."""
    values = torch.tensor([[1.0, 2.0, 4.0, 4.0]])
    mean = [1, 1.5, 2, 2.5, 2.75, 3, 4, 4, 4]
    harmonic = [1, 4 / 3, 2, 1.6, 2, 8 / 3, 4, 4, 4]
    assert fast.spread_mean(values, 3, 2)[0].tolist() == pytest.approx(mean)
    assert fast.spread_harmonic(values, 3, 2)[0].tolist() == pytest.approx(harmonic)
    zero = fast.spread_harmonic(torch.tensor([[0.0, 2.0, 4.0, 4.0]]), 3, 2)[0]
    assert zero.tolist() == pytest.approx([0, 0, 2, 0, 0, 8 / 3, 4, 4, 4])


@pytest.mark.parametrize(("side", "size"), [(3, 2), (3, 3), (6, 2), (6, 3)])
def test_spreading_against_the_oracle(side: int, size: int) -> None:
    values = torch.rand(2, (side - size + 1) ** 2, generator=torch.Generator().manual_seed(size))
    for i in range(2):
        mean = oracle.over_patches(values[i].numpy(), side, size, harmonic=False)
        harmonic = oracle.over_patches(values[i].numpy(), side, size, harmonic=True)
        assert np.abs(fast.spread_mean(values, side, size)[i].numpy() - mean).max() < 1e-6
        assert np.abs(fast.spread_harmonic(values, side, size)[i].numpy() - harmonic).max() < 1e-6


def embeddings(images: int, side: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Window embeddings at both scales and patch tokens (fp16, as stored), off centre and of any length."""
    draw = torch.Generator().manual_seed(seed)
    small = 3 * torch.randn(images, (side - 1) ** 2, 16, generator=draw) + 1
    medium = 0.2 * torch.randn(images, (side - 2) ** 2, 16, generator=draw) + 0.1
    patches = 5 * torch.randn(images, side * side, 24, generator=draw)
    return small, medium, patches.half()


@pytest.mark.parametrize("shots", range(1, 9))
def test_scores_agree_with_the_oracle(shots: int) -> None:
    side = 3 + shots % 3
    query, prompts = embeddings(3, side, seed=shots), embeddings(shots, side, seed=100 + shots)
    prior = torch.rand(3, generator=torch.Generator().manual_seed(shots))
    association = fast.association_map(*query, prompts)
    scores = fast.image_score(prior, association)
    assert association.dtype == torch.float32
    pooled = tuple(part.flatten(0, 1).numpy() for part in prompts)
    for i in range(3):
        slow = oracle.association_map(tuple(part[i].numpy() for part in query), pooled)
        assert np.abs(association[i].numpy() - slow).max() < 1e-5
        assert abs(float(scores[i]) - oracle.image_score(float(prior[i]), slow)) < 1e-5


def test_text_map_against_the_oracle() -> None:
    draw = torch.Generator().manual_seed(0)
    small, medium, image = (torch.rand(*shape, generator=draw) for shape in ((2, 16), (2, 9), (2,)))
    found = fast.text_map(small, medium, image, side=5)
    for i in range(2):
        slow = oracle.text_map(small[i].numpy(), medium[i].numpy(), float(image[i]), side=5)
        assert np.abs(found[i].numpy() - slow).max() < 1e-5
    assert torch.equal(fast.pixel_map(found, torch.zeros_like(found)), found / 2)


def test_text_map_of_certain_windows_is_finite() -> None:
    found = fast.text_map(torch.zeros(1, 4), torch.ones(1, 1), torch.ones(1), side=3)
    assert torch.equal(found, torch.zeros(1, 9))


def test_scores_do_not_depend_on_the_batch() -> None:
    query, prompts = embeddings(12, 5, seed=0), embeddings(4, 5, seed=1)
    together = fast.association_map(*query, prompts)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    shuffled = fast.association_map(*(part[order] for part in query), prompts)
    assert (shuffled - together[order]).abs().max() < 1e-6
    alone = torch.cat(
        [fast.association_map(*(part[i : i + 1] for part in query), prompts) for i in range(12)]
    )
    assert (alone - together).abs().max() < 1e-6


def test_a_prompt_is_at_no_distance_and_a_planted_patch_is_found() -> None:
    prompts = embeddings(2, 5, seed=1)
    small, medium, patches = (part[:1].clone() for part in prompts)
    assert fast.association_map(small, medium, patches, prompts).max() < 1e-6
    odd = 12  # the middle of the grid
    patches[0, odd] *= -1
    for scale, part in ((2, small), (3, medium)):
        part[0, [odd in window for window in fast.windows(5, scale).tolist()]] *= -1
    association = fast.association_map(small, medium, patches, prompts)
    assert int(association.argmax()) == odd


def test_grids_must_be_square() -> None:
    with pytest.raises(ValueError, match="not a square"):
        fast.combined(torch.zeros(1, 4), torch.zeros(1, 1), torch.zeros(1, 8))
