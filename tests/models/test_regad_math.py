"""RegAD against the slow oracle: the same weights and images, from pixels to map and to a training step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from encoded import pictures
from oracles import padim as gaussian_oracle
from oracles import regad as oracle

from gad.harness.adapter import AuxiliaryImages, Context
from gad.harness.errors import ModelError
from gad.models.backbones import generated
from gad.models.regad import gaussian, support, training
from gad.models.regad.adapter import RegAD, fresh, recipe_of
from gad.models.regad.info import INFO, Options
from gad.models.regad.network import Head, Registered

SIZE = 48


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Options:
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    generated.write("timm:resnet18", path)
    return Options(backbone=f"timm:resnet18:{path}", size=SIZE, epochs=2, batch=3, learning_rate=0.05)


def turned(options: Options) -> tuple[Registered, Head]:
    """A network whose transformers turn and stretch every image in another way.

    Norms, too, are drawn: timm starts the last of each block at 0, where a rectifier has no slope.
    """
    network, head = fresh(options, 10)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for transformer in network.transformers:
            last = transformer.get_submodule("locate")[-1]
            last.weight.normal_(0, 0.02, generator=generator)
            last.bias.copy_(torch.tensor([0.2, 0.9, 1.15]))
        for module in [*network.modules(), *head.modules()]:
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.2, generator=generator)
    return network, head


def state_of(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in module.state_dict().items()}


def planes(images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 3, 1, 2) / 255.0


def auxiliary(seed: int = 5) -> AuxiliaryImages:
    """Seven normal images of two categories."""
    return AuxiliaryImages(
        images=pictures(7, SIZE, seed),
        ids=np.array([f"{n}.png" for n in range(7)]),
        splits=np.zeros(7, np.int8),
        labels=np.zeros(7, np.int8),
        categories=np.array([0, 1, 0, 1, 0, 0, 1]),
        names=("nut", "bolt"),
        shots=0,
    )


def test_from_pixels_to_scores(options: Options) -> None:
    network, _ = turned(options)
    detector = RegAD(options, Context(category="c", text="c", seed=0))
    detector.load(state_of(network))
    prompts, queries = pictures(2, SIZE, seed=1)[:1], pictures(2, SIZE, seed=70)
    detector.prepare(prompts)
    found = detector.score(queries)
    assert found.maps is not None
    slow = oracle.image_maps(state_of(network), planes(queries), planes(prompts), 0.01)
    assert found.maps == pytest.approx(np.stack(slow), rel=1e-4)
    assert found.scores == pytest.approx(np.array([each.max() for each in slow]), rel=1e-4)
    assert detector.parameters == sum(value.numel() for value in network.parameters())


def test_views_of_a_prompt() -> None:
    image = planes(pictures(1, 20, seed=3))
    found = support.augmented(torch.from_numpy(image).float()).numpy()
    slow = np.stack(oracle.views(image[0]))
    assert len(found) == support.VIEWS == 22
    assert found == pytest.approx(slow, abs=1e-5)


@pytest.mark.parametrize("views", [3, 40])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (30.0, 200.0)])
def test_distances_with_fewer_and_with_more_views_than_channels(
    views: int, scale: float, offset: float
) -> None:
    random = np.random.default_rng(views)
    shapes = ((5, 4), (6, 2), (7, 1))  # channels and side of a layer
    shown = [
        (scale * random.normal(size=(views, c, side, side)) + offset).astype(np.float32) for c, side in shapes
    ]
    asked = [
        (scale * random.normal(size=(2, c, side, side)) + offset).astype(np.float32) for c, side in shapes
    ]
    fitted = gaussian.fit([torch.from_numpy(layer) for layer in shown], 0.01)
    assert fitted.across == (views < 18)
    found = gaussian.mahalanobis([torch.from_numpy(layer) for layer in asked], fitted).numpy()
    every = list(range(18))
    for image in range(2):
        slow = gaussian_oracle.distances(
            gaussian_oracle.embedding([stored(layer[image]) for layer in asked], every),
            [
                gaussian_oracle.embedding([stored(layer[view]) for layer in shown], every)
                for view in range(views)
            ],
            0.01,
        )
        assert found[image] == pytest.approx(slow, rel=1e-4)


def stored(layer: np.ndarray) -> np.ndarray:
    return layer.reshape(len(layer), -1).T


@pytest.mark.parametrize("partners", [1, 2])
def test_a_training_step(options: Options, partners: int) -> None:
    """The loss; its slope along a random direction, with z held constant; and what SGD makes of it."""
    network, head = turned(options)
    network.train()
    head.train()
    images = pictures(6, SIZE, seed=8)
    step = training.Pairs([0, 3], [[1, 4], [2, 5]] if partners == 2 else [[1], [2]])
    before = state_of(network), state_of(head)
    loss = training.loss_of(network, head, images, step)
    shown = (
        planes(images)[step.queries],
        np.stack([planes(images)[rows] for rows in step.partners]),
    )
    slow, constant = oracle.loss(*before, *shown)
    assert loss.item() == pytest.approx(slow, abs=1e-4)
    # In float64: some of the gradient is what large terms leave of one another.
    training.loss_of(network.double(), head.double(), images, step).backward()
    random = np.random.default_rng(0)
    slope, aside = 0.0, []
    for module, start in zip((network, head), before, strict=True):
        away = dict(start)
        for name, parameter in module.named_parameters():
            # As large for every parameter as it is itself, so that none is lost among the others.
            direction = random.normal(size=parameter.shape) * (parameter.abs().mean().item() + 1e-3)
            assert parameter.grad is not None
            slope += float((parameter.grad.double().numpy() * direction).sum())
            away[name] = direction
        aside.append({name: away[name] for name, _ in module.named_parameters()})
    reach = 1e-7
    ahead, behind = (
        oracle.loss(
            *(
                {name: value + sign * reach * way.get(name, 0.0) for name, value in start.items()}
                for start, way in zip(before, aside, strict=True)
            ),
            *shown,
            constant,
        )[0]
        for sign in (1, -1)
    )
    assert slope == pytest.approx((ahead - behind) / (2 * reach), rel=1e-4)


def test_steps_are_those_of_sgd_with_momentum_over_a_cosine(options: Options) -> None:
    network, head = fresh(options, 10)
    recipe = recipe_of(options, 10)
    steps = [(0, training.Pairs([0], [[1]])), (1, training.Pairs([2], [[3]]))]
    images = pictures(4, SIZE, seed=8)
    name = "stages.2.1.conv2.weight"
    weights, velocity = network.state_dict()[name].double().clone(), 0.0
    for number, (epoch, step) in enumerate(steps):
        twin, twin_head = fresh(options, 10)
        training.train(twin, twin_head, images, iter(steps[:number]), recipe)
        twin.zero_grad()
        twin_head.zero_grad()
        training.loss_of(twin, twin_head, images, step).backward()
        gradient = twin.get_parameter(name).grad
        assert gradient is not None
        velocity = 0.9 * velocity + gradient.double()
        weights = weights - 0.05 * (1.0, 0.5)[epoch] * velocity
    training.train(network, head, images, iter(steps), recipe)
    assert network.get_parameter(name).detach().double().numpy() == pytest.approx(weights.numpy(), abs=1e-6)


def test_every_image_is_a_query_once_an_epoch_and_meets_another_of_its_category(options: Options) -> None:
    given, recipe = auxiliary(), recipe_of(options, 10)
    found = list(training.pairs(given.categories, given.names, recipe))
    for epoch in range(2):
        steps = [step for number, step in found if number == epoch]
        assert sorted(row for step in steps for row in step.queries) == list(range(7))
        assert sorted(len(step.queries) for step in steps) == [1, 3, 3]
        for step in steps:
            rows = [*step.queries, *(row for others in step.partners for row in others)]
            assert len(set(given.categories[rows])) == 1
            assert all(q not in others for q, others in zip(step.queries, step.partners, strict=True))
    assert found == list(training.pairs(given.categories, given.names, recipe))
    assert found != list(training.pairs(given.categories, given.names, recipe_of(options, 11)))
    with pytest.raises(ModelError, match="category bolt has 1 normal train image"):
        next(training.pairs(np.array([0, 0, 1]), ("nut", "bolt"), recipe))


def test_a_training_starts_from_the_file_and_is_the_same_again(options: Options) -> None:
    weights = oracle_weights(options)
    first, _ = fresh(options, 10)
    assert np.array_equal(first.state_dict()["stages.2.0.conv1.weight"].numpy(), weights)
    once, again, other = (
        RegAD(options, Context(category="", text="", seed=seed)).train(auxiliary()) for seed in (10, 10, 11)
    )
    assert len(once.losses) == 2 * 3
    assert once.losses == again.losses != other.losses
    assert all(np.array_equal(value, again.arrays[name]) for name, value in once.arrays.items())
    assert not np.array_equal(once.arrays["stages.2.0.conv1.weight"], weights)
    assert not once.epochs


def oracle_weights(options: Options) -> np.ndarray:
    from safetensors.numpy import load_file

    return load_file(options.backbone.removeprefix("timm:resnet18:"))["layer3.0.conv1.weight"]


@pytest.mark.parametrize(
    ("backbone", "said"),
    [
        ("tiny", "tiny is none of resnet18, resnet34"),
        ("timm:resnet50.tv_in1k", "is none of resnet18"),
        ("timm:resnet18@64", "its option size"),
        ("timm:resnet18:/nowhere/at/all.pt", "no file /nowhere/at/all.pt"),
    ],
)
def test_no_other_network_and_no_random_weights(backbone: str, said: str) -> None:
    with pytest.raises(ModelError) as error:
        INFO.inputs(Options(backbone=backbone))
    assert said in str(error.value)


def test_only_what_is_there_is_loaded(options: Options, tmp_path: Path) -> None:
    """Neither a file of another network nor a checkpoint of another size of images is taken."""
    path = tmp_path / "vit.safetensors"
    generated.write("timm:test_vit", path)
    with pytest.raises(ModelError, match="the weights do not fit"):
        fresh(options.model_copy(update={"backbone": f"timm:resnet18:{path}"}), 10)
    network, _ = fresh(options, 10)
    larger = RegAD(options.model_copy(update={"size": 96}), Context(category="", text="", seed=0))
    with pytest.raises(RuntimeError, match="size mismatch"):
        larger.load(state_of(network))
