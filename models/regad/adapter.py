"""RegAD: trained on pairs of an auxiliary set's normal images, then shown augmented prompts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gad.harness.adapter import AuxiliaryImages, Checkpoint, ImageAdapter, Scored, called_too_early
from gad.harness.errors import ModelError
from gad.models.backbones import spec, timm_models
from gad.models.feature_maps import smoothed
from gad.models.regad import training
from gad.models.regad.gaussian import Gaussians, fit, mahalanobis
from gad.models.regad.network import Head, Registered
from gad.models.regad.support import augmented
from gad.models.regad.training import Recipe, as_floats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gad.models.regad.info import Options

BLOCK = 16  # images that pass through the network at once


class RegAD(ImageAdapter):
    """Score: the maximum of the smoothed map of Mahalanobis distances; unbounded."""

    network: Registered | None = None
    fitted: Gaussians | None = None

    def train(self, auxiliary: AuxiliaryImages) -> Checkpoint:
        """Train from the backbone's weights. The head is only for training, and no epoch but the last is kept, so
        that none can be chosen by its test scores."""
        recipe = recipe_of(self.options, self.context.seed)
        network, head = fresh(self.options, recipe.training_seed)
        steps = training.pairs(auxiliary.categories, auxiliary.names, recipe)
        losses = training.train(network, head, auxiliary.images, steps, recipe, self.context.progress)
        return Checkpoint(
            {name: value.numpy() for name, value in network.state_dict().items()}, tuple(losses)
        )

    def load(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Build the network from a checkpoint; every key must fit. The backbone's own weights are not looked for."""
        with torch.device("meta"):
            name = timm_models.architecture(spec.parse(self.options.backbone).name)
            resnet = timm_models.build(name, num_classes=0)
            network = Registered(resnet, self.options.size, torch.empty(3), torch.empty(3))
        state = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        network.load_state_dict(state, strict=True, assign=True)
        self.network = network.eval().requires_grad_(False)
        self.parameters = sum(parameter.numel() for parameter in network.parameters())

    @torch.inference_mode()
    def prepare(self, prompts: NDArray[np.uint8]) -> None:
        if self.network is None:
            raise ModelError("RegAD.prepare was called before load", fix="Call load(checkpoint) first.")
        views = augmented(as_floats(prompts))
        layers = zip(*self._aligned(self.network, views), strict=True)
        self.fitted = fit([torch.cat(blocks) for blocks in layers], self.options.epsilon)

    @torch.inference_mode()
    def score(self, queries: NDArray[np.uint8]) -> Scored:
        if self.network is None or self.fitted is None:
            raise called_too_early(self)
        found = [mahalanobis(maps, self.fitted) for maps in self._aligned(self.network, as_floats(queries))]
        maps = smoothed(torch.cat(found), self.options.size)
        return Scored(scores=maps.max(axis=(1, 2)), maps=maps)

    def _aligned(self, network: Registered, images: Tensor) -> Iterator[list[Tensor]]:
        return (network.aligned(block) for block in images.split(BLOCK))


def recipe_of(options: Options, training_seed: int) -> Recipe:
    """What the options say about training."""
    return Recipe(
        epochs=options.epochs,
        batch=options.batch,
        learning_rate=options.learning_rate,
        partners=options.partners,
        training_seed=training_seed,
    )


def fresh(options: Options, training_seed: int) -> tuple[Registered, Head]:
    """The network before training: the backbone's weights, all else as torch initialises it from the seed.

    Raises ModelError when the weights are not there or do not fit.
    """
    from gad.models.backbones import timm_encoder

    encoder = timm_encoder.load(spec.parse(options.backbone))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.number(training_seed, "weights"))
        network = Registered(encoder.model, options.size, encoder.mean, encoder.std)
        head = Head(network.width)
    return network.requires_grad_(True), head
