"""What stands for InCTRL's difference in its ablation, against the oracle, and through the adapter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from oracles import inctrl as oracle

from gad.harness.adapter import Auxiliary, Context, Features
from gad.models.inctrl import network as net
from gad.models.inctrl import training
from gad.models.inctrl.adapter import InCTRL
from gad.models.inctrl.draws import Draws
from gad.models.inctrl.info import Options, inputs
from gad.models.inctrl.recipe import AuxiliaryTable, Recipe
from gad.models.inctrl.residuals import nearest_pairs
from gad.models.inctrl.training import fresh_network, train

PATCHES, DIM, LAYERS, WIDTH = 6, 8, 3, 10
VARIANTS = ("concat", "average")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """The tensors are tiny: several threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def randomised(residual: str, components: str = "TPI") -> net.InCTRLHeads:
    recipe = Recipe(shots=1, components=components, residual=residual, training_seed=3)
    network = fresh_network(PATCHES, DIM, recipe, layers=LAYERS, width=WIDTH)
    generator = torch.Generator().manual_seed(3)
    for name, value in network.state_dict().items():
        if ("bn" in name or "patch_pairs" in name) and value.is_floating_point():
            value.copy_(0.3 + torch.rand(value.shape, generator=generator))
    return network.eval()


def arrays(network: net.InCTRLHeads) -> dict[str, np.ndarray]:
    return {name: value.numpy().astype(np.float64) for name, value in network.state_dict().items()}


def table(samples: int = 24, seed: int = 0) -> AuxiliaryTable:
    draw = torch.Generator().manual_seed(seed)
    return AuxiliaryTable(
        torch.randn(samples, DIM, generator=draw),
        tuple(3 * torch.randn(samples, PATCHES, WIDTH, generator=draw).half() for _ in range(LAYERS)),
        (torch.arange(samples) % 3 == 0).long(),
        (torch.arange(samples) % 2).long(),
        torch.rand(samples, generator=draw),
    )


def slow_scores(
    network: net.InCTRLHeads, given: AuxiliaryTable, query: int, prompts: list[int], components: str = "TPI"
) -> tuple[np.ndarray, dict[str, float]]:
    weights = arrays(network)
    residual = np.zeros(PATCHES)
    if "P" in components:
        residual = oracle.learned_residual(
            [layer[query].numpy() for layer in given.patch_tokens],
            [[layer[k].numpy() for layer in given.patch_tokens] for k in prompts],
            weights,
            network.residual,
        )
    return residual, oracle.score(
        given.class_tokens[query].numpy(),
        [given.class_tokens[k].numpy() for k in prompts],
        residual,
        float(given.text_priors[query]),
        weights,
        components,
        network.residual,
    )


@pytest.mark.parametrize("residual", VARIANTS)
@pytest.mark.parametrize("components", ["TPI", "PI", "TP", "TI", "P", "I"])
def test_scores_agree_with_the_oracle(residual: str, components: str) -> None:
    given, network = table(), randomised(residual, components)
    queries, prompts = [0, 5, 9], [1, 7, 11, 13]
    patch_map = None
    with torch.no_grad():
        if "P" in components:
            patch_map = network.patch_map(
                [layer[queries] for layer in given.patch_tokens],
                [layer[prompts] for layer in given.patch_tokens],
            )
        fast = network(
            given.class_tokens[queries],
            given.class_tokens[prompts][None],
            patch_map,
            given.text_priors[queries],
        )
    for i, query in enumerate(queries):
        slow_map, slow = slow_scores(network, given, query, prompts, components)
        if patch_map is not None:
            assert np.abs(patch_map[i].numpy() - slow_map).max() < 1e-6
        for name, value in slow.items():
            assert abs(float(getattr(fast, name)[i]) - value) < 1e-5, name


def test_pairs_are_the_nearest_by_direction_and_do_not_depend_on_lengths_or_other_queries() -> None:
    draw = torch.Generator().manual_seed(0)
    queries, prompts = torch.randn(5, 4, 7, generator=draw), torch.randn(3, 4, 7, generator=draw)
    own, nearest = nearest_pairs(queries, prompts)
    stretched = nearest_pairs(queries * 8, prompts * torch.tensor([2.0, 4.0, 0.5])[:, None, None])
    assert torch.allclose(own, stretched[0], atol=1e-6)
    assert torch.allclose(nearest, stretched[1], atol=1e-6)
    alone = nearest_pairs(queries[2:3], prompts)
    assert torch.equal(own[2:3], alone[0])
    assert torch.equal(nearest[2:3], alone[1])
    cosines = (
        torch.nn.functional.normalize(queries, dim=-1)
        @ torch.nn.functional.normalize(prompts.flatten(0, 1), dim=-1).T
    )
    assert torch.allclose((own * nearest).sum(dim=-1), cosines.amax(dim=-1), atol=1e-6)


@pytest.mark.parametrize("residual", VARIANTS)
def test_sizes_of_what_is_trained(residual: str) -> None:
    network = net.InCTRLHeads(225, 640, residual=residual, layers=3, width=896)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    twice = 2 if residual == "concat" else 1
    assert shapes["diff_head_ref.projection1.weight"] == (128, 640 * twice)
    assert [shapes[f"patch_pairs.{layer}.weight"] for layer in range(3)] == [(1, 896 * twice)] * 3
    assert shapes["diff_head.projection1.weight"] == (128, 225)
    only = {name.split(".")[0] for name in net.InCTRLHeads(225, 640, "TI", residual).state_dict()}
    assert only == {"adapter", "diff_head", "diff_head_ref"}


@pytest.mark.parametrize("residual", VARIANTS)
def test_a_training_step_is_the_oracle_s_and_reaches_every_weight(residual: str) -> None:
    given, recipe = table(), Recipe(shots=3, residual=residual, normal=3, anomalous=2)
    queries, prompts = Draws(given, recipe).batch()
    network = randomised(residual)
    loss = training.batch_loss(network, given, queries, prompts, recipe)
    scores, image_scores = [], []
    for query, own in zip(queries.tolist(), prompts.tolist(), strict=True):
        _, slow = slow_scores(network, given, query, own)
        scores.append(slow["score"])
        image_scores.append(slow["image_score"])
    labels = [0, 0, 0, 1, 1]
    expected = oracle.focal_loss(scores, labels) + oracle.focal_loss(image_scores, labels)
    assert loss.item() == pytest.approx(expected, abs=1e-5)
    loss.backward()
    for name, value in network.named_parameters():
        assert ("bn1" in name) == (value.grad is None), name
        assert value.grad is None or bool(value.grad.any()), name
    done = train(given, Recipe(shots=3, residual=residual, epochs=1, steps=2))
    again = train(given, Recipe(shots=3, residual=residual, epochs=1, steps=2))
    assert all(torch.equal(value, again.state[name]) for name, value in done.state.items())


@pytest.mark.parametrize("residual", ["subtract", *VARIANTS])
@pytest.mark.parametrize("components", ["TPI", "TI", "I", "T"])
def test_the_adapter_trains_loads_and_scores(residual: str, components: str) -> None:
    """As the harness does it: what ``inputs`` asks for is given, and nothing else."""
    options = Options.model_validate(
        {"components": components, "residual": residual, "epochs": 1, "steps": 2, "backbone": "tiny"}
    )
    wanted, given = inputs(options), table()
    numbers = (7, 9, 11)
    tokens = {n: layer.numpy() for n, layer in zip(numbers, given.patch_tokens, strict=True)}
    texts = np.random.default_rng(0).normal(size=(2, 2, DIM)).astype(np.float32)
    auxiliary = Auxiliary(
        features=Features(given.class_tokens.numpy(), tokens if wanted.tokens or wanted.nearest else {}),
        ids=np.array([f"{row:03d}.png" for row in range(24)]),
        splits=np.zeros(24, dtype=np.int8),
        labels=given.labels.numpy().astype(np.int8),
        categories=given.categories.numpy(),
        names=("bolt", "nut"),
        texts=texts if wanted.text else None,
        shots=2,
    )
    trained = InCTRL(options, Context("", "", seed=10)).train(auxiliary)
    assert len(trained.epochs) == (components != "T")
    for arrays_after in trained.epochs:
        assert all(np.array_equal(value, trained.arrays[name]) for name, value in arrays_after.items())
    adapter = InCTRL(options, Context("nut", "nut", seed=0))
    adapter.load(trained.arrays)
    everything = Features(
        given.class_tokens.numpy(),
        tokens if wanted.tokens else {},
        {n: np.full((len(given.labels), PATCHES), 0.1, np.float32) for n in numbers}
        if wanted.nearest
        else {},
        texts[1] if wanted.text else None,
    )
    adapter.prepare(everything.rows(0, 2))
    scores = adapter.score(everything.rows(2, 24)).scores
    assert scores.shape == (22,)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert np.abs(adapter.score(everything.rows(10, 12)).scores - scores[8:10]).max() < 1e-6
    assert not (wanted.tokens and wanted.nearest)
