"""InCTRL on cached features: training of its heads, and scoring (design: section 5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gad.harness.adapter import (
    Auxiliary,
    Checkpoint,
    FeatureAdapter,
    Features,
    Scored,
    called_too_early,
)
from gad.harness.errors import ModelError
from gad.models.inctrl.heads_file import SIZES, Sizes
from gad.models.inctrl.network import InCTRLHeads, InCTRLScores
from gad.models.inctrl.recipe import AuxiliaryTable, Recipe
from gad.models.inctrl.released import listed
from gad.models.inctrl.training import train
from gad.models.text_prior import text_prior

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gad.models.inctrl.info import Options

BLOCK = 32  # queries whose patches and nearest prompt patches are in memory at once, in fp32


class InCTRL(FeatureAdapter):
    """Score: ``(phi + s_p) / 2`` with all components, in 0..1; see InCTRLHeads for subsets."""

    heads: InCTRLHeads | None = None
    prompts: torch.Tensor | None = None
    patches: Sequence[torch.Tensor] = ()

    def train(self, auxiliary: Auxiliary) -> Checkpoint:
        """Train the heads for K shots; the context's seed is the training seed."""
        table = table_of(auxiliary, self.options)
        recipe = recipe_of(self.options, auxiliary.shots, self.context.seed)
        epochs: list[dict[str, NDArray[Any]]] = []
        trained = train(
            table, recipe, after_epoch=lambda _, state, losses: epochs.append(as_arrays(state, table.sizes))
        )
        return Checkpoint(as_arrays(trained.state, table.sizes), trained.losses, tuple(epochs))

    def load(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Build the heads from a checkpoint; every key must fit."""
        patches, dim, layers, width = (int(size) for size in arrays[SIZES])
        heads = InCTRLHeads(
            patches, dim, self.options.components, self.options.residual, layers=layers, width=width
        )
        heads.load_state_dict(
            {n: torch.from_numpy(a.copy()) for n, a in arrays.items() if n != SIZES}, strict=True
        )
        self.heads = heads.eval()
        self.parameters = sum(parameter.numel() for parameter in heads.parameters())

    def prepare(self, prompts: Features) -> None:
        if self.heads is None:
            raise ModelError("InCTRL.prepare was called before load", fix="Call load(checkpoint) first.")
        self.prompts = _tensor(prompts.class_tokens)[None]
        self.patches = [_tensor(prompts.tokens[layer]) for layer in sorted(prompts.tokens)]

    def score(self, queries: Features) -> Scored:
        """With s_i, s_p and s_a where they are there; the map is the patch residual M, in 0..1."""
        found = self._found(queries)
        parts = {"image_score": found.image_score, "patch_score": found.patch_score}
        parts["text_score"] = found.text_score
        maps = found.patch_map
        if maps is not None:
            side = math.isqrt(maps.shape[1])
            maps = maps.reshape(-1, side, side) if side * side == maps.shape[1] else None
        return Scored(
            scores=found.score.numpy(),
            parts={name: value.numpy() for name, value in parts.items() if value is not None},
            maps=None if maps is None else maps.numpy(),
        )

    @torch.inference_mode()
    def _found(self, queries: Features) -> InCTRLScores:
        if self.heads is None or self.prompts is None:
            raise called_too_early(self)
        tokens = _tensor(queries.class_tokens)
        prior = None
        if queries.text is not None:
            normal, anomalous = _tensor(queries.text)
            prior = text_prior(tokens, normal, anomalous)
        return self.heads.forward(
            class_tokens=tokens,
            prompt_tokens=self.prompts,
            patch_map=self._patch_map(queries),
            text_prior=prior,
        )

    def _patch_map(self, queries: Features) -> torch.Tensor | None:
        """M from the distances that the harness computed, or from the patches themselves; None without P."""
        assert self.heads is not None
        if queries.nearest:
            maps = [_tensor(queries.nearest[layer]) for layer in sorted(queries.nearest)]
            return torch.stack(maps).mean(dim=0)
        if not queries.tokens:
            return None
        blocks = []
        for start in range(0, len(queries), BLOCK):
            block = queries.rows(start, start + BLOCK)
            tokens = [_tensor(block.tokens[layer]) for layer in sorted(block.tokens)]
            blocks.append(self.heads.patch_map(tokens, self.patches))
        return torch.cat(blocks)


def as_arrays(state: Mapping[str, torch.Tensor], sizes: Sizes) -> dict[str, NDArray[Any]]:
    """Heads as :meth:`InCTRL.load` takes them."""
    arrays = {name: value.numpy() for name, value in state.items()}
    return {**arrays, SIZES: np.array(sizes, dtype=np.int64)}


def recipe_of(options: Options, shots: int, training_seed: int) -> Recipe:
    """What the options say about training."""
    return Recipe(
        shots=shots,
        components=options.components,
        residual=options.residual,
        training_seed=training_seed,
        epochs=options.epochs,
        steps=options.steps,
        normal=options.batch // 2,
        anomalous=options.batch // 2,
        mixed_reshape=options.mixed_reshape,
        double_sigmoid=options.double_sigmoid,
        own_prompt=options.own_prompt,
    )


def table_of(auxiliary: Auxiliary, options: Options) -> AuxiliaryTable:
    """The auxiliary samples as training wants them, without those that the options leave out."""
    kept: slice | list[int] = slice(None)
    if options.skip_upper_jpg:
        kept = listed(auxiliary.ids.tolist(), auxiliary.splits.tolist(), auxiliary.labels.tolist())
    tokens = _tensor(auxiliary.features.class_tokens[kept])
    categories = _tensor(auxiliary.categories[kept])
    priors = torch.zeros(len(tokens))
    if auxiliary.texts is not None:
        for number, (normal, anomalous) in enumerate(_tensor(auxiliary.texts)):
            rows = categories == number
            priors[rows] = text_prior(tokens[rows], normal, anomalous)
    layers = tuple(_tensor(auxiliary.features.tokens[n][kept]) for n in sorted(auxiliary.features.tokens))
    return AuxiliaryTable(
        class_tokens=tokens,
        # T and I alone have no map and look at no patch.
        patch_tokens=layers or (torch.zeros(len(tokens), 1, 1),),
        labels=_tensor(auxiliary.labels[kept]).long(),
        categories=categories,
        text_priors=priors,
        names=auxiliary.names,
    )


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    """A copy: the arrays are read-only views of memory that belongs to others."""
    return torch.from_numpy(np.array(array))
