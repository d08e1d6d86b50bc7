"""CoOp straight from its section 3.2: whole padded sentences, the loss term by term, SGD by hand.

Shares nothing with gad.models.coop. Only the gradient of the text tower is autograd's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def sentences(model: Any, tokenizer: Any, context: Tensor) -> list[Tensor]:
    """Embeddings [D] of length 1 of ``V1 ... VM normal.`` and ``V1 ... VM anomalous.``."""
    found = []
    for name in ("normal", "anomalous"):
        tokens = tokenizer(["a " * len(context) + name + "."])
        words = model.token_embedding(tokens)[0]
        whole = torch.stack([*words[:1], *context, *words[1 + len(context) :]])
        hidden = model.transformer((whole + model.positional_embedding)[None], attn_mask=model.attn_mask)[0]
        end = model.ln_final(hidden[tokens[0].tolist().index(tokens.max().item())])
        text = end @ model.text_projection
        found.append(text / (text * text).sum().sqrt())
    return found


def loss(model: Any, tokenizer: Any, context: Tensor, images: Tensor, labels: list[int]) -> Tensor:
    """Mean of -log softmax(100 cos) at the right class."""
    texts = sentences(model, tokenizer, context)
    total = torch.zeros(())
    for image, label in zip(images, labels, strict=True):
        unit = image / (image * image).sum().sqrt()
        logits = [100 * (unit * text).sum() for text in texts]
        top = max(logit.item() for logit in logits)
        total = total + top + sum((logit - top).exp() for logit in logits).log() - logits[label]
    return total / len(labels)


def trained(
    model: Any,
    tokenizer: Any,
    context: Tensor,
    images: Tensor,
    labels: list[int],
    steps: list[tuple[float, list[int]]],
) -> tuple[Tensor, list[float]]:
    """The context after steps of (learning rate, rows), and their losses."""
    speed, losses = torch.zeros_like(context), []
    for number, (rate, rows) in enumerate(steps):
        context = context.detach().requires_grad_()
        value = loss(model, tokenizer, context, images[rows], [labels[row] for row in rows])
        (slope,) = torch.autograd.grad(value, context)
        with torch.no_grad():
            slope = slope + 5e-4 * context
            speed = slope if number == 0 else 0.9 * speed + slope
            context = context - rate * speed
        losses.append(value.item())
    return context.detach(), losses
