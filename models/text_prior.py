"""From text embeddings to the probability that an image is anomalous.

InCTRL (arXiv 2403.06495, section 3) and WinCLIP (arXiv 2303.14814, section 4.1) share both steps.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TEMPERATURE = 100.0  # CLIP's logit scale, at its usual ceiling


def class_embedding(embeddings: Tensor) -> Tensor:
    """One embedding for a class: sentences normalised, averaged, normalised again.

    ``embeddings``: float ``[n, D]``, one row a sentence, any length. Returns float32 ``[D]`` of length 1.
    """
    if embeddings.ndim != 2 or not len(embeddings):
        raise ValueError(
            f"text embeddings of a class must be [n, D] with n > 0, got {list(embeddings.shape)}"
        )
    return functional.normalize(functional.normalize(embeddings.float(), dim=-1).mean(dim=0), dim=-1)


def text_prior(class_tokens: Tensor, normal: Tensor, anomalous: Tensor) -> Tensor:
    """``softmax(100 * cos(token, [normal, anomalous]))`` at the anomalous text, in 0..1.

    ``class_tokens``: float ``[..., D]``, not normalised (projected class tokens of images or windows).
    ``normal``, ``anomalous``: ``[D]``. Returns float32 ``[...]``.
    """
    texts = functional.normalize(torch.stack([normal, anomalous]).float(), dim=-1)
    cosines = functional.normalize(class_tokens.float(), dim=-1) @ texts.T
    return torch.softmax(TEMPERATURE * cosines, dim=-1)[..., 1]
