"""RegAD's training: registration of pairs of normal images of one category (its feature registration network).

    D(p, z) = -(p / |p|) . (z / |z|)
    L = 1/2 (D(p_a, z_b) + D(p_b, z_a)), averaged over positions and pairs; no gradient passes through z

SGD with momentum over one cosine, as the authors have it; their last epoch has a rate of 0 and ours does not, for
the cosine starts an epoch earlier. Nothing but normal images of the auxiliary set is looked at.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from gad.harness.errors import ModelError
from gad.models.regad.network import Head, Registered

MOMENTUM = 0.9


@dataclass(frozen=True)
class Recipe:
    epochs: int
    batch: int
    learning_rate: float
    partners: int
    training_seed: int


@dataclass(frozen=True)
class Pairs:
    """One step: rows of b queries, and of their partners ``[b][partners]``, all of one category."""

    queries: list[int]
    partners: list[list[int]]


def registration_loss(query: tuple[Tensor, Tensor], partner: tuple[Tensor, Tensor]) -> Tensor:
    """L of both sides' (z, p), each ``[b, C, side, side]``; between -1 and 1."""
    (z_a, p_a), (z_b, p_b) = query, partner
    return (negative_cosine(p_a, z_b) + negative_cosine(p_b, z_a)) / 2


def negative_cosine(p: Tensor, z: Tensor) -> Tensor:
    """D, averaged."""
    return -functional.cosine_similarity(p, z.detach(), dim=1).mean()


def rate(epoch: int, recipe: Recipe) -> float:
    """The learning rate of an epoch (from 0)."""
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))


def pairs(
    categories: NDArray[np.int64], names: tuple[str, ...], recipe: Recipe
) -> Iterator[tuple[int, Pairs]]:
    """(epoch from 0, step): every image once an epoch as a query, batches of one category in random order.

    Partners are drawn anew each time among the other images of the category. Raises ModelError, naming the
    category, where there is only one.
    """
    members = [np.flatnonzero(categories == number).tolist() for number in range(len(names))]
    for name, own in zip(names, members, strict=True):
        if len(own) == 1:
            raise ModelError(
                f"auxiliary category {name} has 1 normal train image; RegAD registers pairs of them",
                fix="Leave the category out, or add images to it.",
            )
    generator = stream(recipe.training_seed, "pairs")
    for epoch in range(recipe.epochs):
        steps = [step for own in members if own for step in _steps(own, recipe, generator)]
        for place in torch.randperm(len(steps), generator=generator).tolist():
            yield epoch, steps[place]


def _steps(own: list[int], recipe: Recipe, generator: torch.Generator) -> Iterator[Pairs]:
    order = torch.randperm(len(own), generator=generator)
    for places in order.split(recipe.batch):
        # Any of the others: a step of 1 to n - 1 around the circle.
        steps = torch.randint(1, len(own), (len(places), recipe.partners), generator=generator)
        others = (places[:, None] + steps) % len(own)
        yield Pairs([own[n] for n in places.tolist()], [[own[n] for n in row] for row in others.tolist()])


def train(
    network: Registered,
    head: Head,
    images: NDArray[np.uint8],
    steps: Iterator[tuple[int, Pairs]],
    recipe: Recipe,
    tell: Callable[[str], None] = lambda message: None,
) -> list[float]:
    """Train ``network`` and ``head`` in place on uint8 ``[N, size, size, 3]``; the loss of every step."""
    optimizer = torch.optim.SGD(
        [*network.parameters(), *head.parameters()], lr=recipe.learning_rate, momentum=MOMENTUM
    )
    network.train()
    head.train()
    losses: list[float] = []
    for epoch, step in steps:
        optimizer.param_groups[0]["lr"] = rate(epoch, recipe)
        loss = loss_of(network, head, images, step)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise ModelError(f"RegAD's training loss is {losses[-1]} at step {len(losses)}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        tell(f"epoch {epoch + 1} of {recipe.epochs}")
    return losses


def loss_of(network: Registered, head: Head, images: NDArray[np.uint8], step: Pairs) -> Tensor:
    """The registration loss of one step; a query's partners count with the mean of their features."""
    query = network(as_floats(images, step.queries))
    flat = [row for rows in step.partners for row in rows]
    partner = network(as_floats(images, flat)).unflatten(0, (len(step.queries), -1)).mean(dim=1)
    return registration_loss(head(query), head(partner))


def as_floats(images: NDArray[np.uint8], rows: list[int] | slice = slice(None)) -> Tensor:
    """Rows of uint8 ``[N, size, size, 3]`` as float32 ``[n, 3, size, size]`` in 0..1. A copy."""
    return torch.from_numpy(np.array(images[rows])).permute(0, 3, 1, 2).float() / 255


def stream(seed: int, name: str) -> torch.Generator:
    return torch.Generator().manual_seed(number(seed, name))


def number(seed: int, name: str) -> int:
    """The seed of one of a training's random streams."""
    return int.from_bytes(hashlib.sha256(f"regad|{seed}|{name}".encode()).digest()[:7], "big")
