"""A CLIP's text tower from token embeddings on, for detectors that learn some of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gad.harness.errors import ModelError
from gad.models.backbones.clip import ClipEncoder


class TextTower:
    """See :class:`gad.harness.adapter.TextTower`. Frozen; gradients pass through it."""

    def __init__(self, encoder: ClipEncoder) -> None:
        self.model: Any = encoder.model
        self.tokenizer: Any = encoder.tokenizer
        if not hasattr(self.model, "token_embedding") or self.model.text_pool_type != "argmax":
            raise ModelError(
                "this CLIP's text tower is not that of the original: what it reads cannot be learnt",
                fix="Name a CLIP whose text tower is, such as ViT-B-16-plus-240.",
            )
        self.context_length = int(self.model.context_length)
        self.width = int(self.model.token_embedding.embedding_dim)

    def tokens(self, lines: Sequence[str]) -> Tensor:
        """int64 ``[n, length]``, cut after the longest line's end: attention is causal, so nothing reads beyond."""
        tokens: Tensor = self.tokenizer(list(lines))
        return tokens[:, : int(tokens.argmax(dim=1).max()) + 1]

    def embedded(self, tokens: Tensor) -> Tensor:
        """float32 ``[n, length, width]``, before position embeddings."""
        found: Tensor = self.model.token_embedding(tokens)
        return found

    def encode(self, embedded: Tensor, tokens: Tensor) -> Tensor:
        """float32 ``[n, D]``, projected, not normalised, of embeddings whose lines end where ``tokens`` do."""
        model, length = self.model, embedded.shape[1]
        hidden = embedded + model.positional_embedding[:length]
        hidden = model.ln_final(model.transformer(hidden, attn_mask=model.attn_mask[:length, :length]))
        ends = hidden[torch.arange(len(hidden)), tokens.argmax(dim=1)]
        projected: Tensor = ends @ model.text_projection
        return projected
