"""CoOp on stored class tokens: training of its context, and scoring with what the text tower makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from gad.harness.adapter import Auxiliary, Checkpoint, FeatureAdapter, Features, called_too_early
from gad.harness.errors import ModelError
from gad.models.coop.info import usual_epochs
from gad.models.coop.training import Recipe, chosen, train
from gad.models.text_prior import text_prior

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class CoOp(FeatureAdapter):
    """Score: ``softmax(100 * cos)`` of the class token at the learnt anomalous sentence, in 0..1."""

    texts: torch.Tensor | None = None
    prepared = False

    def train(self, auxiliary: Auxiliary) -> Checkpoint:
        """Learn the context from K normal and K anomalous images of every category."""
        if auxiliary.tower is None:
            raise ModelError("CoOp is trained through the encoder's text tower, which was not given")
        rows = chosen(auxiliary)
        recipe = Recipe(
            context=self.options.context,
            epochs=self.options.epochs or usual_epochs(auxiliary.shots),
            batch=self.options.batch,
            learning_rate=self.options.learning_rate,
            training_seed=self.context.seed,
        )
        tokens = torch.from_numpy(auxiliary.features.class_tokens[rows])
        labels = torch.from_numpy(auxiliary.labels[rows]).long()
        context, texts, losses = train(auxiliary.tower, tokens, labels, recipe)
        return Checkpoint({"context": context.numpy(), "texts": texts.numpy()}, tuple(losses))

    def load(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.texts = torch.from_numpy(arrays["texts"].copy())

    def prepare(self, prompts: Features) -> None:
        """Prompts, of which there may be none, are not looked at."""
        if self.texts is None:
            raise ModelError("CoOp.prepare was called before load", fix="Call load(checkpoint) first.")
        self.prepared = True

    def score(self, queries: Features) -> NDArray[np.float32]:
        if self.texts is None or not self.prepared:
            raise called_too_early(self)
        normal, anomalous = self.texts
        # Image by image: the last bit of a product can depend on how many rows it has.
        tokens = torch.from_numpy(queries.class_tokens.copy())
        found: NDArray[np.float32] = torch.cat(
            [text_prior(t[None], normal, anomalous) for t in tokens]
        ).numpy()
        return found
