"""Which queries and prompts each training step sees (arXiv 2403.06495, section 3 and its details)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor

from gad.harness.errors import ModelError
from gad.models.inctrl.recipe import AuxiliaryTable, Recipe


class Draws:
    """The batches of a training: which queries, and which prompts each is shown.

    Queries come in shuffled passes over the normals and over the anomalies, all categories pooled.
    Prompts are K distinct normals of the query's category, drawn anew each time, never the query (unless
    ``own_prompt``). The two have generators of their own, so trainings that differ in K or components see
    the same queries.
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
        needed = self.recipe.shots + (not self.recipe.own_prompt)
        for category, pool in self.pools.items():
            if len(pool) < needed:
                name = names[category] if category < len(names) else str(category)
                kind = "prompts" if self.recipe.own_prompt else "prompts that are not the query"
                raise ModelError(
                    f"auxiliary category {name} has {len(pool)} normal samples; "
                    f"{self.recipe.shots} {kind} need {needed}",
                    fix="Train with fewer shots or leave the category out.",
                )

    def batch(self) -> tuple[Tensor, Tensor]:
        """Rows of the queries, normals first, int64 ``[b]``, and of their prompts, int64 ``[b, K]``."""
        queries = [next(self.normals) for _ in range(self.recipe.normal)]
        queries += [next(self.anomalies) for _ in range(self.recipe.anomalous)]
        return torch.tensor(queries), torch.tensor([self.prompts(query) for query in queries])

    def prompts(self, query: int) -> list[int]:
        pool = self.pools[self.categories[query]]
        # An anomaly is in no pool: nothing is passed over.
        own = len(pool) if self.recipe.own_prompt else self.places.get(query, len(pool))
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
