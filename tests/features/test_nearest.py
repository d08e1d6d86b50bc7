"""Nearest prompt patches: against the definition, and bit for bit whatever else is in the grid."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import nearest as oracle

from gad.harness.errors import DataError
from gad.harness.features.nearest import RunningNearest

Tokens = list[torch.Tensor]


def tokens(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float16) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def after(queries: torch.Tensor | np.ndarray, prompts: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
    running = RunningNearest(queries)
    for prompt in prompts:
        running.add(prompt)
    return running.distance, running.index


@settings(max_examples=40)
@given(
    sizes=st.tuples(*[st.integers(1, 5)] * 4, st.integers(1, 4)),
    seed=st.integers(0, 1000),
    dtype=st.sampled_from([torch.float16, torch.float32]),
    coarse=st.booleans(),
)
def test_agrees_with_the_definition(
    sizes: tuple[int, int, int, int, int], seed: int, dtype: torch.dtype, coarse: bool
) -> None:
    """``coarse``: whole numbers, so that equal directions and vectors of zeros are common."""
    n, patches, width, prompt_patches, shots = sizes
    every = tokens(n * patches + shots * prompt_patches, width, seed=seed, dtype=torch.float32)
    every = (every.round() if coarse else every).to(dtype)
    queries = every[: n * patches].reshape(n, patches, width)
    prompts = list(every[n * patches :].reshape(shots, prompt_patches, width))
    distance, index = after(queries, prompts)
    expected, _ = oracle.nearest(queries.numpy(), [p.numpy() for p in prompts])
    np.testing.assert_allclose(distance.numpy(), expected, rtol=0, atol=1e-6)
    assert distance.dtype == torch.float32
    assert index.dtype == torch.int32
    assert distance.min() >= 0
    assert distance.max() <= 1
    # The index points at a patch that is as near as the nearest.
    chosen = np.take_along_axis(
        oracle.all_distances(queries.numpy(), [p.numpy() for p in prompts]), index.numpy()[..., None], axis=2
    )
    np.testing.assert_allclose(chosen[..., 0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("width", [64, 63])
def test_agrees_at_a_real_size(width: int) -> None:
    queries, prompts = tokens(2, 9, width), [tokens(9, width, seed=1), tokens(9, width, seed=2)]
    distance, index = after(queries, prompts)
    expected, place = oracle.nearest(queries.numpy(), [p.numpy() for p in prompts])
    np.testing.assert_allclose(distance.numpy(), expected, rtol=0, atol=1e-6)
    assert index.tolist() == place.tolist()


@pytest.mark.parametrize(("patches", "width"), [(225, 896), (49, 33), (5, 7)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_bits_do_not_depend_on_other_queries(patches: int, width: int, dtype: torch.dtype) -> None:
    """Any subset in any order, any number of them, and slices that start at odd addresses."""
    queries = tokens(11, patches, width, dtype=dtype)
    prompts = [tokens(patches, width, seed=seed, dtype=dtype) for seed in (1, 2)]
    distance, index = after(queries, prompts)
    chosen = [[10], [3, 0, 7], list(range(10, -1, -1)), list(range(1, 11)), [5, 5]]
    for which in chosen:
        some, places = after(queries[which], prompts)
        assert torch.equal(some, distance[which])
        assert torch.equal(places, index[which])
    for first in range(1, 4):  # views, not copies
        some, places = after(queries[first:], prompts)
        assert torch.equal(some, distance[first:])
        assert torch.equal(places, index[first:])


@pytest.mark.parametrize("wanted", [(1,), (2, 4), (1, 2, 3, 4, 8), (8,)])
def test_bits_do_not_depend_on_the_other_shots(wanted: tuple[int, ...]) -> None:
    queries, prompts = tokens(3, 25, 48), [tokens(25, 48, seed=s) for s in range(1, 9)]
    running, states = RunningNearest(queries), {}
    for prompt in prompts[: max(wanted)]:
        running.add(prompt)
        if running.prompts in wanted:
            states[running.prompts] = (running.distance, running.index)
    for shots, state in states.items():  # compared after all were added: a state is not changed later
        distance, index = after(queries, prompts[:shots])
        assert torch.equal(state[0], distance)
        assert torch.equal(state[1], index)


def test_more_prompts_are_never_farther() -> None:
    queries, running = tokens(3, 16, 8), RunningNearest(tokens(3, 16, 8))
    running.add(tokens(16, 8, seed=1))
    before = running.distance
    for seed in range(2, 6):
        running.add(tokens(16, 8, seed=seed))
        assert (running.distance <= before).all()
        before = running.distance
    running.add(queries[1])
    assert running.distance[1].max() < 1e-6
    assert running.index[1].tolist() == [5 * 16 + i for i in range(16)]


def test_ties_go_to_the_earlier() -> None:
    row = tokens(1, 6)
    prompt = row.expand(4, 6)
    _, index = after(row.expand(2, 3, 6), [prompt, prompt])
    assert index.tolist() == [[0, 0, 0]] * 2
    other = torch.cat([-prompt[:2], prompt[:2]])
    assert after(row.expand(1, 3, 6), [-prompt, other, prompt])[1].tolist() == [[6, 6, 6]]


def test_known_angles() -> None:
    queries = torch.tensor([[[1.0, 0.0], [0.0, 3.0], [-2.0, 0.0]]])
    assert after(queries, [torch.tensor([[5.0, 0.0]])])[0].tolist() == [[0.0, 0.5, 1.0]]


def test_vectors_of_zeros_have_cosine_zero() -> None:
    queries, prompt = torch.zeros(1, 2, 4), torch.zeros(3, 4)
    queries[0, 1, 0] = 1
    distance, index = after(queries, [prompt])
    assert distance.tolist() == [[0.5, 0.5]]
    prompt[2, 0] = -1
    assert after(queries, [prompt])[0].tolist() == [[0.5, 0.5]]
    prompt[2, 0] = 1
    distance, index = after(queries, [prompt])
    assert distance.tolist() == [[0.5, 0.0]]
    assert index.tolist() == [[0, 2]]


def test_arrays_are_taken_as_tensors_are() -> None:
    queries, prompt = tokens(2, 5, 8), tokens(5, 8, seed=1)
    array = queries.numpy().copy()
    array.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        running = RunningNearest(array)
        running.add(prompt.numpy())
    assert torch.equal(running.distance, after(queries, [prompt])[0])


def test_no_queries() -> None:
    distance, index = after(tokens(0, 5, 8), [tokens(5, 8)])
    assert distance.shape == index.shape == (0, 5)


def test_what_cannot_be_compared_is_refused() -> None:
    running = RunningNearest(tokens(2, 5, 8))
    with pytest.raises(DataError, match="No prompt"):
        _ = running.distance
    with pytest.raises(DataError, match=r"\[5, 7\].*\[5, 8\]"):
        running.add(tokens(5, 7))
    running.add(tokens(5, 8))
    with pytest.raises(DataError, match=r"\[4, 8\].*\[5, 8\]"):
        running.add(tokens(4, 8))
    with pytest.raises(DataError, match="expected fp16 or fp32"):
        running.add(torch.zeros(5, 8, dtype=torch.float64))
    with pytest.raises(DataError, match=r"expected fp16 or fp32 \[n, P, D\]"):
        RunningNearest(tokens(5, 8))
    broken = tokens(3, 5, 8)
    broken[2, 1, 0] = torch.nan
    with pytest.raises(DataError, match="Query image 2"):
        RunningNearest(broken)
    with pytest.raises(DataError, match="Prompt 2"):
        running.add(broken[2])
    assert running.prompts == 1
