"""What a training is given: the auxiliary samples as cached features, and how to train on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from gad.models.inctrl.network import COMPONENTS
from gad.models.inctrl.pairs import Pairs


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

    @cached_property
    def pairs(self) -> Pairs:
        """Patch distances between samples, kept as training meets them."""
        return Pairs(self.patch_tokens)

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """(P, D, layers, C)."""
        _, patches, width = self.patch_tokens[0].shape
        return patches, self.class_tokens.shape[1], len(self.patch_tokens), width


@dataclass(frozen=True)
class Recipe:
    """How to train; the defaults are the paper's (batch 48, half normal), the last epoch is kept.

    ``mixed_reshape``, ``double_sigmoid`` and ``own_prompt`` are what the released code does
    (:mod:`gad.models.inctrl.released`).
    """

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
    mixed_reshape: bool = False
    double_sigmoid: bool = False
    own_prompt: bool = False
