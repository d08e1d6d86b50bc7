"""CoOp's training (arXiv 2109.01134, section 3.2 and its details), from stored class tokens.

The unified context: the same M learnt vectors stand before both classes' names, ``V1 ... VM normal.`` and
``V1 ... VM anomalous.``. Cross-entropy of ``softmax(100 * cos)``; SGD with momentum 0.9 and weight decay 5e-4,
as in the authors' code. All else is frozen.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from gad.harness.errors import ModelError
from gad.models.text_prior import TEMPERATURE

if TYPE_CHECKING:
    from gad.harness.adapter import Auxiliary, TextTower

CLASSES = ("normal", "anomalous")
DEVIATION = 0.02
WARM_UP = 1e-5  # the learning rate of the first epoch
MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4


@dataclass(frozen=True)
class Recipe:
    context: int
    epochs: int
    batch: int
    learning_rate: float
    training_seed: int


def chosen(auxiliary: Auxiliary) -> list[int]:
    """Rows of K normal and K anomalous images of every category, the same whatever the training seed.

    In the order of sha256 of ``coop|category|sample``, so that K = 2 is inside K = 4. Raises ModelError,
    naming the category, where there are too few.
    """
    rows: list[int] = []
    for number, name in enumerate(auxiliary.names):
        for label, kind in enumerate(CLASSES):
            places = ((auxiliary.categories == number) & (auxiliary.labels == label)).nonzero()[0].tolist()
            if len(places) < auxiliary.shots:
                raise ModelError(
                    f"auxiliary category {name} has {len(places)} {kind} samples; CoOp needs {auxiliary.shots}",
                    fix="Train with fewer shots or leave the category out.",
                )
            order = sorted(places, key=lambda row: _place(name, str(auxiliary.ids[row])))
            rows += order[: auxiliary.shots]
    return rows


def _place(category: str, sample: str) -> bytes:
    return hashlib.sha256(f"coop|{category}|{sample}".encode()).digest()


class Prompts:
    """Both classes' sentences with places for the context: ``encode(context [M, width]) -> [2, D]``, of length 1."""

    def __init__(self, tower: TextTower, context: int) -> None:
        self.tower = tower
        lines = [" ".join(["X"] * context) + f" {name}." for name in CLASSES]
        self.tokens = tower.tokens(lines)
        if self.tokens.shape[1] > tower.context_length or self.tokens.shape[1] < context + 3:
            raise ModelError(f"{context} context tokens do not fit a text of {tower.context_length}")
        embedded = tower.embedded(self.tokens).detach()
        # A line starts with a token of its own; then come the X, one token each.
        self.start, self.rest = embedded[:, :1], embedded[:, 1 + context :]

    def encode(self, context: Tensor) -> Tensor:
        both = context[None].expand(len(CLASSES), -1, -1)
        embedded = torch.cat([self.start, both, self.rest], dim=1)
        return functional.normalize(self.tower.encode(embedded, self.tokens), dim=-1)


def first_context(recipe: Recipe, width: int) -> Tensor:
    """The context before training: float32 ``[M, width]``, drawn from the training seed."""
    generator = _stream(recipe.training_seed, "context")
    return torch.empty(recipe.context, width).normal_(0, DEVIATION, generator=generator)


def batches(count: int, recipe: Recipe) -> Iterator[tuple[int, Tensor]]:
    """(epoch from 0, places int64 ``[b]``): shuffled passes, each image once an epoch."""
    generator = _stream(recipe.training_seed, "batches")
    for epoch in range(recipe.epochs):
        for places in torch.randperm(count, generator=generator).split(recipe.batch):
            yield epoch, places


def rate(epoch: int, recipe: Recipe) -> float:
    """The learning rate of an epoch (from 0)."""
    if epoch == 0:
        return WARM_UP
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))


def train(
    tower: TextTower, class_tokens: Tensor, labels: Tensor, recipe: Recipe
) -> tuple[Tensor, Tensor, list[float]]:
    """The context ``[M, width]``, both classes' embeddings ``[2, D]`` of length 1, and the loss of every step.

    ``class_tokens`` float32 ``[N, D]``, ``labels`` int64 ``[N]``.
    """
    prompts = Prompts(tower, recipe.context)
    context = first_context(recipe, tower.width).requires_grad_()
    optimizer = torch.optim.SGD(
        [context], lr=recipe.learning_rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    images = functional.normalize(class_tokens, dim=-1)
    losses: list[float] = []
    for epoch, places in batches(len(images), recipe):
        optimizer.param_groups[0]["lr"] = rate(epoch, recipe)
        logits = TEMPERATURE * images[places] @ prompts.encode(context).T
        loss = functional.cross_entropy(logits, labels[places])
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise ModelError(f"CoOp's training loss is {losses[-1]} at step {len(losses)}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        texts = prompts.encode(context)
    return context.detach(), texts, losses


def _stream(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"coop|{seed}|{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
