"""InCTRL's training on an auxiliary set, from cached features (arXiv 2403.06495, section 3 and its details).

The encoder is frozen and images are not augmented, so a step needs only what was encoded once. All
randomness comes from generators made of ``training_seed``: on one machine with one number of threads,
the same table and recipe give the same weights, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gad.harness.errors import ModelError
from gad.models.inctrl.draws import Draws, stream
from gad.models.inctrl.network import InCTRLHeads
from gad.models.inctrl.recipe import AuxiliaryTable, Recipe
from gad.models.inctrl.released import patch_places, prompt_rows


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
    patches, dim, layers, width = table.sizes
    network = fresh_network(patches, dim, recipe, layers=layers, width=width).to(device)
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
            loss = batch_loss(network, table, queries, prompts, recipe)
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
    network: InCTRLHeads, table: AuxiliaryTable, queries: Tensor, prompts: Tensor, recipe: Recipe
) -> Tensor:
    """Focal loss on the score, plus on s_i where there is one. int64 ``[b]`` and ``[b, K]`` rows in."""
    device = next(network.parameters()).device
    mixed = recipe.mixed_reshape
    own, references = patch_places(queries, prompts, len(table.patch_tokens), mixed)
    scores = network(
        class_tokens=table.class_tokens[queries].to(device),
        prompt_tokens=table.class_tokens[prompt_rows(prompts, mixed)].to(device),
        patch_map=batch_maps(network, table, own, references) if "P" in network.components else None,
        text_prior=table.text_priors[queries].to(device),
    )
    labels = table.labels[queries].to(device)
    found = [output for output in (scores.score, scores.image_score) if output is not None]
    if recipe.double_sigmoid:
        found = [torch.sigmoid(output) for output in found]
    return torch.stack([focal_loss(output, labels) for output in found]).sum()


def batch_maps(network: InCTRLHeads, table: AuxiliaryTable, own: Tensor, references: Tensor) -> Tensor:
    """Patch maps float32 ``[b, P]`` of queries against their own prompts, one query at a time: small
    enough for a cache, whatever the batch. Places as from :func:`patch_places`."""
    device = next(network.parameters()).device
    if network.patch_pairs is None:
        both = zip(own.tolist(), references.tolist(), strict=True)
        return torch.stack([table.pairs.map(query, prompts, device) for query, prompts in both])

    def tokens(places: Tensor) -> Tensor:
        return torch.stack([table.patch_tokens[layer][row] for layer, row in places.tolist()]).to(device)

    maps = [
        network.patch_map([tokens(place[None]) for place in query], [tokens(places) for places in prompts])
        for query, prompts in zip(own, references, strict=True)
    ]
    return torch.cat(maps)


def focal_loss(probability: Tensor, labels: Tensor) -> Tensor:
    """Focal loss with alpha 1 and gamma 2 of probabilities ``[b]`` in 0..1, mean over the batch."""
    right = torch.where(labels == 1, probability, 1 - probability)
    return -((1 - right) ** 2 * right.clamp_min(torch.finfo(right.dtype).tiny).log()).mean()


def fresh_network(patches: int, dim: int, recipe: Recipe, *, layers: int = 0, width: int = 0) -> InCTRLHeads:
    """A network as PyTorch initialises it (uniform within 1 / sqrt(inputs)), drawn from the seed.

    The global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        network = InCTRLHeads(patches, dim, recipe.components, recipe.residual, layers=layers, width=width)
    generator = stream(recipe.training_seed, "weights")
    for module in network.modules():
        if isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            for parameter in module.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return network


def copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
