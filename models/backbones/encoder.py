"""What every frozen encoder offers, whichever library it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from gad.harness.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gad.harness.nouns import ImageInput, Precision


class Encoder(Protocol):
    """A frozen encoder. ``digest`` names what it computes, whatever file its weights came from.

    ``parameters``: how many its image side has, and its text side (0 if there is none). ``input``, ``mean``
    and ``std`` (float32 ``[1, 3, 1, 1]``, of pixels in 0..1) are its preprocessing.
    """

    digest: str
    parameters: tuple[int, int]
    mean: torch.Tensor
    std: torch.Tensor

    device: torch.device
    precision: Precision

    @property
    def input(self) -> ImageInput: ...

    def place(self, device: str, precision: Precision) -> None:
        """Move it to a device ("cpu", "cuda"), where images pass through in this precision."""
        ...

    def images(
        self, pixels: NDArray[np.uint8], layers: Sequence[int], *, normed: bool = False
    ) -> dict[str, NDArray[Any]]:
        """``class``: fp32 ``[n, D]``; ``layer-LL``: fp16 ``[n, patches, width]``, patches by rows.

        ``normed``: the latter after the final norm of a ViT.
        """
        ...

    def windows(self, pixels: NDArray[np.uint8], sizes: Sequence[int]) -> dict[str, NDArray[np.float16]]:
        """``window-s``: fp16 ``[n, windows, D]``; ModelError for an encoder that has none."""
        ...

    def texts(self, lines: Sequence[str]) -> NDArray[np.float32]:
        """fp32 ``[n, D]``; ModelError for an encoder that has none."""
        ...


class Placed:
    """Where an encoder computes, and how precisely. Weights stay in fp32; so do texts."""

    model: Any
    device = torch.device("cpu")
    precision: Precision = "fp32"

    def place(self, device: str, precision: Precision) -> None:
        """Move the model. Raises ModelError where there is no such device; never falls back to another."""
        if device == "cuda":
            if not torch.cuda.is_available():
                raise ModelError(
                    "this process is to encode on a GPU, but torch sees none here",
                    fix="Check the driver and CUDA_VISIBLE_DEVICES, or run with --device cpu.",
                )
            # fp32 means fp32: TF32 loses three digits, and cuDNN's convolutions use it unless told not to.
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.allow_tf32 = False
        self.device, self.precision = torch.device(device), precision
        self.model.to(self.device)

    def computing(self) -> torch.autocast:
        """The context in which images pass: autocast, which keeps norms, softmax and sums in fp32."""
        lower = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)
        return torch.autocast(self.device.type, dtype=lower, enabled=lower is not None)


def normalised(pixels: NDArray[np.uint8], size: int, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """uint8 RGB ``[n, size, size, 3] -> `` float32 ``[n, 3, size, size]`` on the CPU. ModelError for another form."""
    expected = (size, size, 3)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != expected:
        raise ModelError(f"images are {pixels.dtype} {pixels.shape}, expected uint8 [n, {expected}]")
    # A copy: the array may be a read-only view of somebody else's memory.
    floats = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).float() / 255.0
    return (floats - mean) / std
