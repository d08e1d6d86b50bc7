"""InCTRL's fast path and training against the slow oracle and a planted problem."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from oracles import inctrl as oracle

from gad.harness.errors import ModelError
from gad.harness.metrics import auroc
from gad.models.inctrl import network as net
from gad.models.inctrl import residuals, training
from gad.models.inctrl.draws import Draws
from gad.models.inctrl.recipe import AuxiliaryTable, Recipe
from gad.models.inctrl.training import fresh_network, train
from gad.models.nearest_distance import nearest_distance
from gad.models.text_prior import class_embedding, text_prior

SUBSETS = ["".join(c) for n in (1, 2, 3) for c in itertools.combinations("TPI", n)]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """The tensors are tiny: several threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def randomised(patches: int, dim: int, components: str = "TPI", seed: int = 0) -> net.InCTRLHeads:
    """Every weight, bias and running statistic at random, so that none can be forgotten unseen."""
    network = fresh_network(patches, dim, Recipe(shots=1, components=components, training_seed=seed))
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if "bn" in name and value.is_floating_point():
            value.copy_(0.3 + torch.rand(value.shape, generator=generator))
    return network.eval()


def arrays(network: net.InCTRLHeads) -> dict[str, np.ndarray]:
    return {name: value.numpy().astype(np.float64) for name, value in network.state_dict().items()}


@pytest.mark.parametrize("shots", range(1, 9))
def test_scores_from_features_agree_with_the_oracle(shots: int) -> None:
    """From fp16 patch tokens, fp32 class tokens and text embeddings to every score."""
    queries, patches, width, dim, layers = 3, 9, 20, 16, 3
    draw = np.random.default_rng(shots)
    query_layers = [
        (3 * draw.normal(size=(queries, patches, width)) + 1).astype(np.float16) for _ in range(layers)
    ]
    prompt_layers = [
        (3 * draw.normal(size=(shots, patches, width)) + 1).astype(np.float16) for _ in range(layers)
    ]
    tokens = (2 * draw.normal(size=(queries, dim))).astype(np.float32)
    prompt_tokens = (2 * draw.normal(size=(shots, dim))).astype(np.float32)
    normal, anomalous = (draw.normal(size=(n, dim)).astype(np.float32) for n in (7, 4))
    network = randomised(patches, dim, seed=shots)

    residual = residuals.patch_distances(
        [torch.tensor(q) for q in query_layers], [torch.tensor(p) for p in prompt_layers]
    )
    prior = text_prior(
        torch.tensor(tokens), class_embedding(torch.tensor(normal)), class_embedding(torch.tensor(anomalous))
    )
    with torch.no_grad():
        fast = network(torch.tensor(tokens), torch.tensor(prompt_tokens)[None], residual, prior)

    for i in range(queries):
        slow_residual = oracle.patch_residual(
            [layer[i] for layer in query_layers],
            [[layer[k] for layer in prompt_layers] for k in range(shots)],
        )
        slow_prior = oracle.text_prior(
            tokens[i], oracle.class_embedding(list(normal)), oracle.class_embedding(list(anomalous))
        )
        slow = oracle.score(tokens[i], list(prompt_tokens), slow_residual, slow_prior, arrays(network))
        assert np.abs(residual[i].numpy() - slow_residual).max() < 1e-5
        for name, value in slow.items():
            assert abs(float(getattr(fast, name)[i]) - value) < 1e-4, name
        assert fast.map is not None
        slow_map = slow_residual + slow["image_score"] + slow["text_score"]
        assert np.abs(fast.map[i].numpy() - slow_map).max() < 1e-4


@pytest.mark.parametrize("components", SUBSETS)
def test_components(components: str) -> None:
    draw = torch.Generator().manual_seed(1)
    tokens, prompts = torch.randn(4, 8, generator=draw), torch.randn(4, 3, 8, generator=draw)
    residual, prior = torch.rand(4, 6, generator=draw), torch.rand(4, generator=draw)
    network = randomised(6, 8, components)
    with torch.no_grad():
        fast = network(tokens, prompts, residual, prior)
    for i in range(4):
        slow = oracle.score(
            tokens[i].numpy(),
            list(prompts[i].numpy()),
            residual[i].numpy(),
            float(prior[i]),
            arrays(network),
            components,
        )
        for name in ("score", "image_score", "patch_score", "text_score", "holistic"):
            value = getattr(fast, name)
            assert (value is None) == (name not in slow), name
            if value is not None:
                assert abs(float(value[i]) - slow[name]) < 1e-5, name
    modules = {name.split(".")[0] for name in network.state_dict()}
    wanted = {"adapter", "diff_head_ref"} if "I" in components else set()
    assert modules == wanted | ({"diff_head"} if components not in ("T", "I") else set())


def test_unused_inputs_may_be_left_out_and_needed_ones_not() -> None:
    residual = torch.rand(2, 6)
    assert randomised(6, 8, "P")(patch_map=residual).score.shape == (2,)
    assert torch.equal(randomised(6, 8, "T")(text_prior=residual[:, 0]).score, residual[:, 0])
    with pytest.raises(ValueError, match="text_prior is missing: component T"):
        randomised(6, 8, "TP")(patch_map=residual)


def test_names_and_shapes_of_the_released_checkpoints() -> None:
    shapes = {name: tuple(value.shape) for name, value in net.InCTRLHeads(225, 640).state_dict().items()}
    assert shapes["adapter.fc.0.weight"] == (160, 640)
    assert shapes["adapter.fc.2.weight"] == (640, 160)
    for head, inputs in (("diff_head", 225), ("diff_head_ref", 640)):
        assert shapes[f"{head}.projection1.weight"] == (128, inputs)
        assert shapes[f"{head}.projection2.weight"] == (64, 128)
        assert shapes[f"{head}.projection3.weight"] == (1, 64)
        for norm, channels in (("bn1", inputs), ("bn2", 128), ("bn3", 64)):
            assert shapes[f"{head}.{norm}.running_var"] == (channels,)
    assert len(shapes) == 2 + 2 * (3 * 2 + 3 * 5)


def test_bn1_is_not_used() -> None:
    network = randomised(6, 8)
    given = (torch.randn(2, 8), torch.randn(2, 3, 8), torch.rand(2, 6), torch.rand(2))
    before = network(*given).score
    for name, value in network.state_dict().items():
        if "bn1" in name:
            value.fill_(7)
    assert torch.equal(network(*given).score, before)


def test_scores_do_not_depend_on_the_batch() -> None:
    network = randomised(25, 32)
    draw = torch.Generator().manual_seed(2)
    tokens, prompts = torch.randn(40, 32, generator=draw), torch.randn(1, 4, 32, generator=draw)
    queries, references = torch.randn(40, 25, 24, generator=draw), torch.randn(4, 25, 24, generator=draw)
    prior = torch.rand(40, generator=draw)

    def scored(rows: torch.Tensor) -> torch.Tensor:
        residual = residuals.patch_distances([queries[rows]], [references])
        with torch.no_grad():
            return network(tokens[rows], prompts, residual, prior[rows]).score

    everything, order = scored(torch.arange(40)), torch.randperm(40, generator=draw)
    assert (scored(order) - everything[order]).abs().max() < 1e-6
    alone = torch.cat([scored(torch.tensor([row])) for row in range(40)])
    assert (alone - everything).abs().max() < 1e-6


def test_more_prompts_do_not_change_a_bit_of_the_first() -> None:
    """Running minima over tiles of one prompt: K = 2 is inside K = 8."""
    queries, prompts = torch.randn(5, 9, 16), torch.randn(8, 9, 16)
    two = nearest_distance(queries, prompts[:2])
    rest = nearest_distance(queries, prompts[2:])
    assert torch.equal(nearest_distance(queries, prompts), torch.minimum(two, rest))


def test_an_image_is_at_no_distance_from_itself() -> None:
    image = torch.randn(1, 9, 64)
    distances = nearest_distance(image, torch.cat([torch.randn(1, 9, 64), image]))
    assert 0 <= float(distances.min()) <= float(distances.max()) < 1e-6


@pytest.mark.parametrize("components", ["", "X", "TT", "tpi", "TPIX"])
def test_wrong_components(components: str) -> None:
    with pytest.raises(ValueError, match="non-empty subset"):
        net.InCTRLHeads(4, 8, components)


def test_order_of_components_is_free() -> None:
    assert net.InCTRLHeads(4, 8, "IPT").components == "TPI"


def test_wrong_residuals() -> None:
    with pytest.raises(ValueError, match="one of subtract"):
        net.InCTRLHeads(4, 8, residual="multiply")
    with pytest.raises(ValueError, match="layers and width"):
        net.InCTRLHeads(4, 8, residual="concat")


def test_focal_loss() -> None:
    values, labels = [0.1, 0.5, 0.9, 1e-6, 1 - 1e-3], [0, 1, 1, 0, 1]
    fast = training.focal_loss(torch.tensor(values, dtype=torch.float64), torch.tensor(labels))
    assert float(fast) == pytest.approx(oracle.focal_loss(values, labels), rel=1e-12)
    # Certain and wrong, as a saturated sigmoid gives it: a large loss, no NaN, no infinite gradient.
    wrong = torch.tensor([1.0, 0.0], requires_grad=True)
    loss = training.focal_loss(wrong, torch.tensor([0, 1]))
    loss.backward()
    assert wrong.grad is not None
    assert math.isfinite(float(loss.detach()))
    assert bool(torch.isfinite(wrong.grad).all())


def planted(categories: int, each: int, seed: int, patches: int = 16, dim: int = 24) -> AuxiliaryTable:
    """Categories far apart. An anomaly has three odd patches, a shift of its class token that all categories
    share, and a raised text prior; each sign alone is unsure."""
    draw = torch.Generator().manual_seed(seed)
    shift = torch.randn(dim, generator=torch.Generator().manual_seed(99))
    kinds = torch.arange(categories).repeat_interleave(each)
    labels = (torch.arange(each) % 3 == 0).long().repeat(categories)
    centres = 3 * torch.randn(categories, dim, generator=draw)
    tokens = centres[kinds] + 0.7 * torch.randn(len(kinds), dim, generator=draw) + labels[:, None] * shift
    layers = []
    for _ in range(2):
        bases = torch.randn(categories, patches, dim, generator=draw)
        layer = bases[kinds] + 0.5 * torch.randn(len(kinds), patches, dim, generator=draw)
        odd = 0.5 * torch.randn(len(kinds), 3, dim, generator=draw)
        layer[:, :3] += odd * labels[:, None, None]
        layers.append(layer.half())
    prior = torch.sigmoid(torch.randn(len(kinds), generator=draw) + labels - 0.5)
    return AuxiliaryTable(tokens, tuple(layers), labels, kinds, prior)


SHORT = Recipe(shots=2, epochs=2, steps=40)


def test_training_is_deterministic_and_leaves_the_global_generator_alone() -> None:
    table = planted(3, 30, seed=0)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = train(table, SHORT)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    second = train(table, SHORT)
    assert first.losses == second.losses
    assert len(first.losses) == 80
    assert first.state.keys() == net.InCTRLHeads(16, 24).state_dict().keys()
    assert all(torch.equal(value, second.state[name]) for name, value in first.state.items())
    other = train(table, Recipe(shots=2, epochs=2, steps=40, training_seed=11))
    assert not torch.equal(first.state["adapter.fc.0.weight"], other.state["adapter.fc.0.weight"])


def test_training_learns_a_planted_problem() -> None:
    """Trained on some categories, tested on others it has never seen."""
    done = train(planted(10, 40, seed=0), Recipe(shots=4, epochs=6, steps=50))
    assert np.mean(done.losses[-20:]) < 0.7 * np.mean(done.losses[:20])
    target = planted(4, 60, seed=1)
    trained, untrained = net.InCTRLHeads(16, 24).eval(), fresh_network(16, 24, SHORT).eval()
    trained.load_state_dict(done.state)
    for category in range(4):
        rows = (target.categories == category).nonzero().flatten()
        prompts = rows[target.labels[rows] == 0][:4]
        queries = torch.tensor([row for row in rows.tolist() if row not in prompts.tolist()])
        residual = residuals.patch_distances(
            [layer[queries] for layer in target.patch_tokens],
            [layer[prompts] for layer in target.patch_tokens],
        )
        given = (
            target.class_tokens[queries],
            target.class_tokens[prompts][None],
            residual,
            target.text_priors[queries],
        )
        with torch.no_grad():
            before, after = (
                auroc(target.labels[queries].numpy(), network(*given).score.numpy())
                for network in (untrained, trained)
            )
        assert before is not None
        assert after is not None
        assert before < 0.9
        assert after > 0.95


def test_the_recipe_s_defaults() -> None:
    recipe = Recipe(shots=4)
    assert (recipe.epochs, recipe.steps, recipe.normal, recipe.anomalous) == (10, 100, 24, 24)
    assert (recipe.learning_rate, recipe.weight_decay, recipe.training_seed) == (1e-3, 0.01, 10)
    assert (recipe.components, recipe.residual) == ("TPI", "subtract")


def test_initial_weights_are_pytorch_s() -> None:
    """Uniform within 1 / sqrt(inputs), norms at their start."""
    for name, value in fresh_network(225, 640, Recipe(shots=1)).state_dict().items():
        if ".bn" in name:
            ones = name.endswith((".weight", "running_var"))
            assert torch.equal(value, torch.ones_like(value) if ones else torch.zeros_like(value))
        elif name.endswith("weight"):
            reach = float(value.abs().max()) * math.sqrt(value.shape[1])
            assert 0.9 < reach <= 1
            assert float(value.std()) * math.sqrt(3 * value.shape[1]) == pytest.approx(1, abs=0.15)


def test_one_step_is_adamw_s() -> None:
    """By hand: shrink by rate times decay, then a step of the rate along the gradient's sign."""
    table, recipe = planted(2, 12, seed=3), Recipe(shots=2, epochs=1, steps=1)
    network = fresh_network(16, 24, recipe).train()
    loss = training.batch_loss(network, table, *Draws(table, recipe).batch(), recipe)
    loss.backward()
    done = train(table, recipe)
    assert done.losses == (loss.item(),)
    for name, value in network.named_parameters():
        expected = value.detach()
        if value.grad is not None:
            expected = expected * (1 - 1e-3 * 0.01) - 1e-3 * value.grad / (value.grad.abs() + 1e-8)
        assert (value.grad is None) == ("bn1" in name)
        assert (done.state[name] - expected).abs().max() < 5e-7, name
    assert int(done.state["diff_head.bn2.num_batches_tracked"]) == 1


def test_first_loss_is_the_oracle_s() -> None:
    """A whole step: the drawn rows, their maps, BatchNorm out of the way, both terms of the loss."""
    table = planted(2, 12, seed=3)
    recipe = Recipe(shots=3, normal=3, anomalous=2)
    queries, prompts = Draws(table, recipe).batch()
    network = randomised(16, 24)
    with torch.no_grad():
        fast = float(training.batch_loss(network, table, queries, prompts, recipe))
    scores, image_scores, labels = [], [], []
    for query, own in zip(queries.tolist(), prompts.tolist(), strict=True):
        residual = oracle.patch_residual(
            [layer[query].numpy() for layer in table.patch_tokens],
            [[layer[k].numpy() for layer in table.patch_tokens] for k in own],
        )
        slow = oracle.score(
            table.class_tokens[query].numpy(),
            [table.class_tokens[k].numpy() for k in own],
            residual,
            float(table.text_priors[query]),
            arrays(network),
        )
        scores.append(slow["score"])
        image_scores.append(slow["image_score"])
        labels.append(int(table.labels[query]))
    assert labels == [0, 0, 0, 1, 1]
    assert fast == pytest.approx(
        oracle.focal_loss(scores, labels) + oracle.focal_loss(image_scores, labels), abs=1e-5
    )


@pytest.mark.parametrize("components", SUBSETS)
def test_every_subset_trains(components: str) -> None:
    done = train(planted(2, 12, seed=0), Recipe(shots=2, components=components, epochs=1, steps=3))
    network = net.InCTRLHeads(16, 24, components)
    network.load_state_dict(done.state)
    assert len(done.losses) == (0 if components == "T" else 3)
    assert not any(value.any() for name, value in done.state.items() if name.endswith("bn1.running_mean"))


@pytest.mark.parametrize("shots", range(1, 9))
def test_draws(shots: int) -> None:
    table = planted(3, 15, seed=0)
    draws = Draws(table, Recipe(shots=shots))
    seen = []
    for _ in range(30):
        queries, prompts = draws.batch()
        seen += queries.tolist()
        assert table.labels[queries].tolist() == [0] * 24 + [1] * 24
        assert prompts.shape == (48, shots)
        assert not table.labels[prompts].any()
        assert (table.categories[prompts] == table.categories[queries][:, None]).all()
        for query, own in zip(queries.tolist(), prompts.tolist(), strict=True):
            assert query not in own
            assert len(set(own)) == shots
    for label in (0, 1):
        counts = [seen.count(row) for row in range(len(table.labels)) if table.labels[row] == label]
        assert max(counts) - min(counts) <= 1  # shuffled passes: nobody is left behind


def test_every_other_normal_is_drawn_alike() -> None:
    table = planted(1, 15, seed=0)
    draws = Draws(table, Recipe(shots=2))
    pool = draws.pools[0]
    counts = dict.fromkeys(pool, 0)
    for _ in range(2000):
        for row in draws.prompts(pool[4]):
            counts[row] += 1
    assert counts.pop(pool[4]) == 0
    expected = 2 * 2000 / len(counts)
    assert all(abs(count - expected) < 5 * math.sqrt(expected) for count in counts.values())


def test_queries_do_not_depend_on_shots() -> None:
    table = planted(3, 30, seed=0)
    two, four = Draws(table, Recipe(shots=2)), Draws(table, Recipe(shots=4))
    for _ in range(5):
        assert torch.equal(two.batch()[0], four.batch()[0])


def test_too_few_normals_name_the_category() -> None:
    table = planted(2, 6, seed=0)
    named = AuxiliaryTable(
        table.class_tokens,
        table.patch_tokens,
        table.labels,
        table.categories,
        table.text_priors,
        ("bottle", "cable"),
    )
    train(named, Recipe(shots=3, epochs=1, steps=1))
    with pytest.raises(ModelError, match=r"bottle has 4 normal samples; 4 prompts .* need 5"):
        train(named, Recipe(shots=4))


def test_one_kind_of_label_is_an_error() -> None:
    table = planted(1, 6, seed=0)
    with pytest.raises(ModelError, match="one kind"):
        Draws(
            AuxiliaryTable(
                table.class_tokens, table.patch_tokens, 0 * table.labels, table.categories, table.text_priors
            ),
            SHORT,
        )


def test_columns_of_unequal_length_are_an_error() -> None:
    with pytest.raises(ValueError, match="one length"):
        AuxiliaryTable(
            torch.zeros(3, 4), (torch.zeros(2, 4, 4),), torch.zeros(3), torch.zeros(3), torch.zeros(3)
        )


def test_epochs_are_reported() -> None:
    seen: list[tuple[int, dict[str, torch.Tensor], int]] = []
    done = train(
        planted(2, 12, seed=0),
        Recipe(shots=2, epochs=3, steps=4),
        after_epoch=lambda epoch, state, losses: seen.append((epoch, state, len(losses))),
    )
    assert [(epoch, losses) for epoch, _, losses in seen] == [(1, 4), (2, 4), (3, 4)]
    name = "diff_head.projection1.weight"
    assert torch.equal(seen[-1][1][name], done.state[name])
    assert not torch.equal(seen[0][1][name], done.state[name])


def test_a_broken_feature_stops_the_training() -> None:
    table = planted(2, 12, seed=0)
    table.class_tokens[:] = float("nan")
    with pytest.raises(ModelError, match="loss is nan at step 1"):
        train(table, SHORT)
