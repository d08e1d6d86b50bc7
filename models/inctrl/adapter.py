"""InCTRL on cached features: training of its heads, and scoring (design: section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gad.harness.adapter import Auxiliary, Checkpoint, FeatureAdapter, Features, called_too_early
from gad.harness.errors import ModelError
from gad.models.inctrl.network import InCTRLHeads
from gad.models.inctrl.training import AuxiliaryTable, Recipe, train
from gad.models.text_prior import text_prior

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = "sizes"  # [patches, dim]: what the heads were built for, kept beside their weights


class InCTRL(FeatureAdapter):
    """Score: ``(phi + s_p) / 2`` with all components, in 0..1; see InCTRLHeads for subsets."""

    heads: InCTRLHeads | None = None
    prompts: torch.Tensor | None = None

    def train(self, auxiliary: Auxiliary) -> Checkpoint:
        """Train the heads for K shots; the context's seed is the training seed."""
        table = _table(auxiliary)
        recipe = Recipe(
            shots=auxiliary.shots,
            components=self.options.components,
            training_seed=self.context.seed,
            epochs=self.options.epochs,
            steps=self.options.steps,
        )
        trained = train(table, recipe)
        patches = table.patch_tokens[0].shape[1]
        sizes = np.array([patches, table.class_tokens.shape[1]], dtype=np.int64)
        return Checkpoint(
            {**{name: t.numpy() for name, t in trained.state.items()}, SIZES: sizes}, trained.losses
        )

    def load(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Build the heads from a checkpoint; every key must fit."""
        patches, dim = (int(size) for size in arrays[SIZES])
        heads = InCTRLHeads(patches, dim, components=self.options.components)
        heads.load_state_dict(
            {n: torch.from_numpy(a.copy()) for n, a in arrays.items() if n != SIZES}, strict=True
        )
        self.heads = heads.eval()

    def prepare(self, prompts: Features) -> None:
        if self.heads is None:
            raise ModelError("InCTRL.prepare was called before load", fix="Call load(checkpoint) first.")
        self.prompts = _tensor(prompts.class_tokens)[None]

    @torch.inference_mode()
    def score(self, queries: Features) -> NDArray[np.float32]:
        if self.heads is None or self.prompts is None:
            raise called_too_early(self)
        tokens = _tensor(queries.class_tokens)
        maps = [_tensor(queries.nearest[layer]) for layer in sorted(queries.nearest)]
        prior = None
        if queries.text is not None:
            normal, anomalous = _tensor(queries.text)
            prior = text_prior(tokens, normal, anomalous)
        found = self.heads(
            class_tokens=tokens,
            prompt_tokens=self.prompts,
            patch_map=torch.stack(maps).mean(dim=0) if maps else None,
            text_prior=prior,
        )
        scores: NDArray[np.float32] = found.score.numpy()
        return scores


def _table(auxiliary: Auxiliary) -> AuxiliaryTable:
    tokens = _tensor(auxiliary.features.class_tokens)
    categories = _tensor(auxiliary.categories)
    priors = torch.zeros(len(tokens))
    if auxiliary.texts is not None:
        for number, (normal, anomalous) in enumerate(_tensor(auxiliary.texts)):
            rows = categories == number
            priors[rows] = text_prior(tokens[rows], normal, anomalous)
    layers = tuple(_tensor(auxiliary.features.tokens[n]) for n in sorted(auxiliary.features.tokens))
    return AuxiliaryTable(
        class_tokens=tokens,
        # T and I alone have no map and look at no patch.
        patch_tokens=layers or (torch.zeros(len(tokens), 1, 1),),
        labels=_tensor(auxiliary.labels).long(),
        categories=categories,
        text_priors=priors,
        names=auxiliary.names,
    )


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    """A copy: the arrays are read-only views of memory that belongs to others."""
    return torch.from_numpy(np.array(array))
