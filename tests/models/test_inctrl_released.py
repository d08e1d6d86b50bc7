"""What the released training does differently: each quirk against literal tensors, alone and all at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from oracles import inctrl as oracle
from pydantic import ValidationError

from gad.harness.adapter import Auxiliary, Features
from gad.harness.errors import ModelError
from gad.models.inctrl import network as net
from gad.models.inctrl.adapter import recipe_of, table_of
from gad.models.inctrl.draws import Draws
from gad.models.inctrl.info import Options
from gad.models.inctrl.recipe import AuxiliaryTable, Recipe
from gad.models.inctrl.released import listed, patch_places, prompt_rows
from gad.models.inctrl.training import batch_loss, batch_maps, fresh_network, train

PATCHES, DIM, LAYERS, WIDTH = 4, 8, 3, 6


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """The tensors are tiny: several threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def table(each: int = 20, categories: int = 2) -> AuxiliaryTable:
    draw = torch.Generator().manual_seed(0)
    count = each * categories
    return AuxiliaryTable(
        torch.randn(count, DIM, generator=draw),
        tuple(torch.randn(count, PATCHES, WIDTH, generator=draw).half() for _ in range(LAYERS)),
        (torch.arange(each) % 2 == 0).long().repeat(categories),
        torch.arange(categories).repeat_interleave(each),
        torch.rand(count, generator=draw),
    )


def still() -> net.InCTRLHeads:
    """In eval mode, so that BatchNorm does not mix the batch for reasons of its own."""
    return fresh_network(PATCHES, DIM, Recipe(shots=1)).eval()


def literal(given: AuxiliaryTable, queries: torch.Tensor, prompts: torch.Tensor) -> tuple[np.ndarray, ...]:
    """The batch as tensors, as the released code makes them, read as it reads them."""
    prompt_major = prompts.T.reshape(-1)
    return oracle.released_reading(
        [layer[queries].numpy() for layer in given.patch_tokens],
        [layer[prompt_major].numpy() for layer in given.patch_tokens],
        given.class_tokens[prompt_major].numpy(),
        len(queries),
    )


@pytest.mark.parametrize("shots", [1, 2, 4])
@pytest.mark.parametrize("double", [False, True])
def test_a_mixed_step_is_that_of_the_literal_tensors(shots: int, double: bool) -> None:
    given, network = table(), still()
    recipe = Recipe(shots=shots, normal=8, anomalous=8, mixed_reshape=True, double_sigmoid=double)
    queries, prompts = Draws(given, recipe).batch()
    own, others, tokens = literal(given, queries, prompts)
    weights = {n: value.numpy().astype(np.float64) for n, value in network.state_dict().items()}
    scores, image_scores = [], []
    for i, query in enumerate(queries.tolist()):
        residual = oracle.patch_residual(list(own[i]), [list(others[i])])
        prior = float(given.text_priors[query])
        slow = oracle.score(given.class_tokens[query].numpy(), list(tokens[i]), residual, prior, weights)
        scores.append(slow["score"])
        image_scores.append(slow["image_score"])
    loss = oracle.logit_focal_loss if double else oracle.focal_loss
    labels = [0] * 8 + [1] * 8
    with torch.no_grad():
        fast = float(batch_loss(network, given, queries, prompts, recipe))
        sound = float(batch_loss(network, given, queries, prompts, Recipe(shots, normal=8, anomalous=8)))
    assert fast == pytest.approx(loss(scores, labels) + loss(image_scores, labels), abs=1e-5)
    assert abs(fast - sound) > 1e-4


@pytest.mark.parametrize("shots", range(1, 9))
def test_the_reshape_changes_nothing_at_batch_1(shots: int) -> None:
    given, network = table(), still()
    query, prompts = torch.tensor([3]), torch.arange(4, 4 + shots)[None]
    own, others, tokens = literal(given, query, prompts)
    for layer, values in enumerate(given.patch_tokens):
        assert (own[0, layer] == values[3].numpy()).all()
        assert (others[0, layer] == values[prompts[0]].flatten(0, 1).numpy()).all()
    assert (tokens[0] == given.class_tokens[prompts[0]].numpy()).all()
    sound, mixed = (patch_places(query, prompts, LAYERS, mixed) for mixed in (False, True))
    assert torch.equal(sound[0], mixed[0])
    assert torch.equal(sound[1], mixed[1])
    assert torch.equal(prompt_rows(prompts, True), prompts)
    assert torch.equal(batch_maps(network, given, *sound), batch_maps(network, given, *mixed))


def test_what_the_reshape_does_at_batch_16() -> None:
    """Rows are named by query (0 to 15) and by query and prompt (100 * prompt + query)."""
    queries = torch.arange(16)
    prompts = torch.arange(16)[:, None] + 100 * torch.arange(2)
    own, others = patch_places(queries, prompts, 3, mixed=True)
    # The first query gets layer 0 of the first three, and is compared with first prompts of the first six.
    assert own[0].tolist() == [[0, 0], [0, 1], [0, 2]]
    assert others[0].tolist() == [[[0, 0], [0, 1]], [[0, 2], [0, 3]], [[0, 4], [0, 5]]]
    assert own[5].tolist() == [[0, 15], [1, 0], [1, 1]]
    assert own[15].tolist() == [[2, 13], [2, 14], [2, 15]]
    assert others[15].tolist() == [[[2, 110], [2, 111]], [[2, 112], [2, 113]], [[2, 114], [2, 115]]]
    assert prompt_rows(prompts, True)[:9].tolist() == [[2 * i, 2 * i + 1] for i in range(8)] + [[100, 101]]
    # Of 48 query maps 2 are of the right image and layer, and 32 of an image of the query's label.
    right = [(q, layer) for q in range(16) for layer in range(3) if own[q, layer].tolist() == [layer, q]]
    assert right == [(0, 0), (15, 2)]
    assert int(((own[..., 1] >= 8) == (queries >= 8)[:, None]).sum()) == 32
    # Every image and layer is still used once: they are permuted, not lost.
    assert len({tuple(place) for place in own.reshape(-1, 2).tolist()}) == 48
    assert len({tuple(place) for place in others.reshape(-1, 2).tolist()}) == 96


def test_a_normal_query_can_be_its_own_prompt() -> None:
    given = table()
    recipe = Recipe(shots=3, own_prompt=True)
    draws, seen = Draws(given, recipe), 0
    for _ in range(20):
        queries, prompts = draws.batch()
        own = (prompts == queries[:, None]).any(dim=1)
        assert not own[24:].any()
        assert not given.labels[prompts].any()
        assert all(len(set(row)) == 3 for row in prompts.tolist())
        seen += int(own.sum())
    # 480 normal queries, each among 3 of its category's 10 normals with a chance of 0.3.
    assert 100 < seen < 190
    assert torch.equal(Draws(given, Recipe(shots=3)).batch()[0], Draws(given, recipe).batch()[0])
    Draws(given, Recipe(shots=10, own_prompt=True)).batch()
    with pytest.raises(ModelError, match="10 normal samples; 11 prompts need 11"):
        Draws(given, Recipe(shots=11, own_prompt=True))


def test_the_released_list() -> None:
    ids = ["a/train/1.JPG", "a/train/2.jpg", "a/train/3.JPG#0001", "a/1.JPG", "a/bad/1.JPG", "x.JPG/1.png"]
    assert listed(ids, [0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 0]) == [1, 3, 4, 5]


def auxiliary(suffix: str) -> Auxiliary:
    given = table()
    splits = np.array([0, 0, 0, 1, 1] * 8, dtype=np.int8)
    return Auxiliary(
        features=Features(
            given.class_tokens.numpy(), dict(enumerate(layer.numpy() for layer in given.patch_tokens))
        ),
        ids=np.array([f"{row}{suffix}" for row in range(40)]),
        splits=splits,
        labels=(given.labels.numpy() * splits).astype(np.int8),  # anomalies are in test alone
        categories=given.categories.numpy(),
        names=("candle", "fryum"),
        texts=np.random.default_rng(0).normal(size=(2, 2, DIM)).astype(np.float32),
        shots=2,
    )


def test_skipped_files_are_neither_queries_nor_prompts() -> None:
    """As with VisA: of the normals those of the test split are left."""
    for options in (Options(skip_upper_jpg=True), Options(as_released=True)):
        everything, kept = auxiliary(".JPG"), table_of(auxiliary(".JPG"), options)
        rows = np.flatnonzero(everything.splits == 1)
        assert torch.equal(kept.class_tokens, torch.tensor(everything.features.class_tokens[rows]))
        assert torch.equal(kept.patch_tokens[2], torch.tensor(everything.features.tokens[2][rows]))
        assert kept.labels.tolist() == everything.labels[rows].tolist()
        assert kept.categories.tolist() == everything.categories[rows].tolist()
        # A product over fewer rows may differ in its last bits: which kernel does it depends on the machine.
        whole = table_of(everything, Options()).text_priors[rows]
        torch.testing.assert_close(kept.text_priors, whole, rtol=1e-4, atol=1e-9)
        assert len(table_of(auxiliary(".png"), options).labels) == 40
    assert len(table_of(auxiliary(".JPG"), Options()).labels) == 40


def test_as_released_is_spelled_out() -> None:
    options = Options(as_released=True)
    assert (options.batch, options.mixed_reshape, options.double_sigmoid) == (16, True, True)
    assert (options.own_prompt, options.skip_upper_jpg) == (True, True)
    assert Options.model_validate(options.model_dump()) == options
    for against in ({"batch": 48}, {"own_prompt": False}):
        with pytest.raises(ValidationError, match=r"as_released means (batch: 16, not 48|own_prompt: true)"):
            Options.model_validate({"as_released": True, **against})


def test_the_options_that_make_a_recipe() -> None:
    sound = recipe_of(Options(), shots=4, training_seed=9)
    assert sound == Recipe(shots=4, training_seed=9)
    everything = recipe_of(Options(as_released=True), shots=4, training_seed=9)
    assert (everything.normal, everything.anomalous) == (8, 8)
    assert (everything.mixed_reshape, everything.double_sigmoid, everything.own_prompt) == (True,) * 3
    for name in ("mixed_reshape", "double_sigmoid", "own_prompt"):
        alone = recipe_of(Options.model_validate({name: True}), shots=4, training_seed=9)
        assert alone == Recipe(4, training_seed=9, **{name: True})
    assert recipe_of(Options(batch=16), 4, 9) == Recipe(4, training_seed=9, normal=8, anomalous=8)


@pytest.mark.parametrize("name", ["mixed_reshape", "double_sigmoid", "own_prompt", "as_released"])
def test_every_quirk_trains_and_makes_a_difference(name: str) -> None:
    given = auxiliary(".png")
    options = {"epochs": 1, "steps": 3, "batch": 16}
    sound, other = (
        train(table_of(given, chosen), recipe_of(chosen, 2, 10))
        for chosen in (Options.model_validate(options), Options.model_validate({**options, name: True}))
    )
    assert other.losses != sound.losses
    assert all(torch.isfinite(value).all() for value in other.state.values())
