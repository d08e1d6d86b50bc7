"""InCTRL's training on an auxiliary set, from cached features (arXiv 2403.06495, section 3 and its details).

The encoder is frozen and images are not augmented, so a step needs only what was encoded once. All
randomness comes from generators made of ``training_seed``: on one machine with one number of threads,
the same table and recipe give the same weights, bit for bit.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gad.harness.errors import ModelError
from gad.models.inctrl.network import COMPONENTS, InCTRLHeads, halved


@dataclass(frozen=True)
class AuxiliaryTable:
    """The auxiliary samples, train and test splits together, one row each; tensors may be memory-mapped.

    ``class_tokens`` float32 ``[N, D]``, projected, not normalised; ``patch_tokens`` per layer fp16 (or
    wider) ``[N, P, C]``; ``labels`` ``[N]`` of 0 (normal) and 1; ``categories`` int ``[N]``; ``text_priors``
    float32 ``[N]`` in 0..1. ``names`` are the categories' names for messages, if there are any.
    """

    class_tokens: Tensor
    patch_tokens: tuple[Tensor, ...]
    labels: Tensor
    categories: Tensor
    text_priors: Tensor
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        columns = (self.class_tokens, *self.patch_tokens, self.categories, self.text_priors)
        if not self.patch_tokens or any(len(column) != len(self.labels) for column in columns):
            lengths = [len(column) for column in (*columns, self.labels)]
            raise ValueError(
                f"an auxiliary table needs a patch layer and columns of one length, got {lengths}"
            )


@dataclass(frozen=True)
class Recipe:
    """How to train; the defaults are the paper's (batch 48, half normal), the last epoch is kept."""

    shots: int
    components: str = COMPONENTS
    residual: str = "subtract"
    training_seed: int = 10
    epochs: int = 10
    steps: int = 100
    normal: int = 24
    anomalous: int = 24
    learning_rate: float = 1e-3
    weight_decay: float = 0.01


@dataclass(frozen=True)
class Trained:
    """``state``: the network's state dict on the CPU, as after the last epoch (empty for T alone).

    ``losses``: one a step, before that step's update.
    """

    state: dict[str, Tensor]
    losses: tuple[float, ...]


def train(
    table: AuxiliaryTable,
    recipe: Recipe,
    device: str = "cpu",
    after_epoch: Callable[[int, dict[str, Tensor], Sequence[float]], None] | None = None,
) -> Trained:
    """Run the recipe. ``after_epoch(epoch from 1, a copy of the state, that epoch's losses)`` may keep both."""
    draws = Draws(table, recipe)
    network = fresh_network(table.patch_tokens[0].shape[1], table.class_tokens.shape[1], recipe).to(device)
    if not list(network.parameters()):
        return Trained(state={}, losses=())
    network.train()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    losses: list[float] = []
    for epoch in range(1, recipe.epochs + 1):
        for _ in range(recipe.steps):
            queries, prompts = draws.batch()
            loss = batch_loss(network, table, queries, prompts, device)
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise ModelError(f"InCTRL's training loss is {losses[-1]} at step {len(losses)}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        if after_epoch is not None:
            after_epoch(epoch, copied(network), losses[-recipe.steps :])
    return Trained(state=copied(network), losses=tuple(losses))


def batch_loss(
    network: InCTRLHeads, table: AuxiliaryTable, queries: Tensor, prompts: Tensor, device: str = "cpu"
) -> Tensor:
    """Focal loss on the score, plus on s_i where there is one. int64 ``[b]`` and ``[b, K]`` rows in."""
    patch_map = batch_maps(table, queries, prompts, device) if "P" in network.components else None
    scores = network(
        class_tokens=table.class_tokens[queries].to(device),
        prompt_tokens=table.class_tokens[prompts].to(device),
        patch_map=patch_map,
        text_prior=table.text_priors[queries].to(device),
    )
    labels = table.labels[queries].to(device)
    loss = focal_loss(scores.score, labels)
    return loss if scores.image_score is None else loss + focal_loss(scores.image_score, labels)


def batch_maps(table: AuxiliaryTable, queries: Tensor, prompts: Tensor, device: str = "cpu") -> Tensor:
    """Patch residuals float32 ``[b, P]`` of queries against their own prompts.

    One product a query and layer, ``[P, C] x [C, K * P]``: small enough for a cache, whatever the batch.
    """
    total: Tensor | None = None
    for layer in table.patch_tokens:
        rows = []
        for query, own in zip(queries.tolist(), prompts, strict=True):
            tokens = functional.normalize(layer[query].to(device).float(), dim=-1)
            others = functional.normalize(layer[own].to(device).float().flatten(0, 1), dim=-1)
            rows.append(halved((tokens @ others.T).amax(dim=-1)))
        distances = torch.stack(rows)
        total = distances if total is None else total + distances
    assert total is not None
    return total / len(table.patch_tokens)


def focal_loss(probability: Tensor, labels: Tensor) -> Tensor:
    """Focal loss with alpha 1 and gamma 2 of probabilities ``[b]`` in 0..1, mean over the batch."""
    right = torch.where(labels == 1, probability, 1 - probability)
    return -((1 - right) ** 2 * right.clamp_min(torch.finfo(right.dtype).tiny).log()).mean()


class Draws:
    """The batches of a training: which queries, and which prompts each is shown.

    Queries come in shuffled passes over the normals and over the anomalies, all categories pooled.
    Prompts are K distinct normals of the query's category, drawn anew each time, never the query. The two
    have generators of their own, so trainings that differ in K or components see the same queries.
    """

    def __init__(self, table: AuxiliaryTable, recipe: Recipe) -> None:
        self.recipe = recipe
        self.labels, self.categories = table.labels.tolist(), table.categories.tolist()
        self.pools: dict[int, list[int]] = {category: [] for category in sorted(set(self.categories))}
        for row, (label, category) in enumerate(zip(self.labels, self.categories, strict=True)):
            if label == 0:
                self.pools[category].append(row)
        self.places = {row: place for pool in self.pools.values() for place, row in enumerate(pool)}
        self._check(table.names)
        generator = stream(recipe.training_seed, "queries")
        self.normals = passes([row for row, label in enumerate(self.labels) if label == 0], generator)
        self.anomalies = passes([row for row, label in enumerate(self.labels) if label == 1], generator)
        self.generator = stream(recipe.training_seed, "prompts")

    def _check(self, names: tuple[str, ...]) -> None:
        if 0 not in self.labels or 1 not in self.labels:
            raise ModelError("InCTRL trains on normal and anomalous samples; the auxiliary set has one kind")
        for category, pool in self.pools.items():
            if len(pool) <= self.recipe.shots:
                name = names[category] if category < len(names) else str(category)
                raise ModelError(
                    f"auxiliary category {name} has {len(pool)} normal samples; {self.recipe.shots} prompts "
                    f"that are not the query need {self.recipe.shots + 1}",
                    fix="Train with fewer shots or leave the category out.",
                )

    def batch(self) -> tuple[Tensor, Tensor]:
        """Rows of the queries, normals first, int64 ``[b]``, and of their prompts, int64 ``[b, K]``."""
        queries = [next(self.normals) for _ in range(self.recipe.normal)]
        queries += [next(self.anomalies) for _ in range(self.recipe.anomalous)]
        return torch.tensor(queries), torch.tensor([self.prompts(query) for query in queries])

    def prompts(self, query: int) -> list[int]:
        pool = self.pools[self.categories[query]]
        own = self.places.get(query, len(pool))  # an anomaly is in no pool: nothing is passed over
        drawn = torch.randperm(len(pool) - (own < len(pool)), generator=self.generator)
        return [pool[place + (place >= own)] for place in drawn[: self.recipe.shots].tolist()]


def passes(rows: list[int], generator: torch.Generator) -> Iterator[int]:
    """The rows in shuffled order, again and again, each once a pass."""
    while True:
        for place in torch.randperm(len(rows), generator=generator).tolist():
            yield rows[place]


def stream(training_seed: int, name: str) -> torch.Generator:
    """A generator of its own for each use of a seed."""
    digest = hashlib.sha256(f"inctrl|{training_seed}|{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def fresh_network(patches: int, dim: int, recipe: Recipe) -> InCTRLHeads:
    """A network as PyTorch initialises it (uniform within 1 / sqrt(inputs)), drawn from the seed.

    The global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        network = InCTRLHeads(patches, dim, recipe.components, recipe.residual)
    generator = stream(recipe.training_seed, "weights")
    for module in network.modules():
        if isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            for parameter in module.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return network


def copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
