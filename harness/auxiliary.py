"""What a training is shown: a labelled auxiliary set, never the target, as features or as images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from gad.harness.adapter import Features


class TextTower(Protocol):
    """The text tower of a frozen CLIP from token embeddings on; gradients pass through it."""

    context_length: int
    width: int

    def tokens(self, lines: Sequence[str]) -> torch.Tensor:
        """int64 ``[n, length]``, no longer than the longest line needs."""
        ...

    def embedded(self, tokens: torch.Tensor) -> torch.Tensor:
        """float32 ``[n, length, width]``, before position embeddings."""
        ...

    def encode(self, embedded: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """float32 ``[n, D]``, projected, not normalised. ``tokens`` tell where each line ends."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Labelled:
    """``ids``: samples' ids, str ``[N]``. ``splits``: int8 ``[N]``, 0 train and 1 test. ``labels``: int8 ``[N]``,
    0 normal and 1 anomalous. ``categories``: int64 ``[N]``, numbers into ``names``. ``shots``: the K to train for;
    0 where the card says that one training serves every K.
    """

    ids: NDArray[np.str_]
    splits: NDArray[np.int8]
    labels: NDArray[np.int8]
    categories: NDArray[np.int64]
    names: tuple[str, ...]
    shots: int

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, kw_only=True)
class Auxiliary(_Labelled):
    """A labelled auxiliary set to train on: all its images, train and test splits together.

    ``features``: class tokens and patch tokens of N images. ``texts``: fp32 ``[C, 2, D]``, each category's
    normal and anomalous embedding. ``tower``: the encoder's text tower, where the model's input asks for it.
    """

    features: Features
    texts: NDArray[np.float32] | None
    tower: TextTower | None = None


@dataclass(frozen=True, kw_only=True)
class AuxiliaryImages(_Labelled):
    """The same for models that look at images: uint8 RGB ``[N, size, size, 3]``, read-only.

    Of a model whose card says ``trains_on="normals"``, the normal images of the train splits alone.
    """

    images: NDArray[np.uint8]
