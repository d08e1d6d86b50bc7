"""What every frozen encoder offers, whichever library it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from gad.harness.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gad.harness.nouns import ImageInput


class Encoder(Protocol):
    """A frozen encoder in fp32. ``digest`` names what it computes, whatever file its weights came from.

    ``input``, ``mean`` and ``std`` (float32 ``[1, 3, 1, 1]``, of pixels in 0..1) are its preprocessing.
    """

    digest: str
    mean: torch.Tensor
    std: torch.Tensor

    @property
    def input(self) -> ImageInput: ...

    def images(self, pixels: NDArray[np.uint8], layers: Sequence[int]) -> dict[str, NDArray[Any]]:
        """``class``: fp32 ``[n, D]``; ``layer-LL``: fp16 ``[n, patches, width]``, patches by rows."""
        ...

    def windows(self, pixels: NDArray[np.uint8], sizes: Sequence[int]) -> dict[str, NDArray[np.float16]]:
        """``window-s``: fp16 ``[n, windows, D]``; ModelError for an encoder that has none."""
        ...

    def texts(self, lines: Sequence[str]) -> NDArray[np.float32]:
        """fp32 ``[n, D]``; ModelError for an encoder that has none."""
        ...


def normalised(pixels: NDArray[np.uint8], size: int, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """uint8 RGB ``[n, size, size, 3] -> `` float32 ``[n, 3, size, size]``. ModelError for another form."""
    expected = (size, size, 3)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != expected:
        raise ModelError(f"images are {pixels.dtype} {pixels.shape}, expected uint8 [n, {expected}]")
    # A copy: the array may be a read-only view of somebody else's memory.
    floats = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).float() / 255.0
    return (floats - mean) / std
