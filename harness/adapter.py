"""What a detector must be to run here: two phases, prompts first, then queries.

    class MyDetector(ImageAdapter):
        def prepare(self, prompts): ...          # uint8 [K, size, size, 3]
        def score(self, queries): return ...     # uint8 [n, size, size, 3] -> float [n], higher = worse

One instance serves one part: a category, K and seed. Batches are cut by the harness, always the same
way, so a score may not depend on the other queries in a batch. Inputs are read-only views.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gad.harness.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Context:
    """All an adapter learns of the run beside its images."""

    category: str
    text: str
    seed: int
    device: str = "cpu"
    dtype: str = "float32"
    progress: Callable[[str], None] = field(default=lambda message: None, repr=False)


class ImageAdapter(ABC):
    """Base of detectors that look at images. ``options`` is an instance of the model's options class."""

    def __init__(self, options: Any, context: Context) -> None:
        self.options = options
        self.context = context

    @abstractmethod
    def prepare(self, prompts: NDArray[np.uint8]) -> None:
        """Look at the K normal images: uint8 RGB ``[K, size, size, 3]``."""

    @abstractmethod
    def score(self, queries: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Image scores ``[n]`` of uint8 RGB ``[n, size, size, 3]``: finite, higher is more anomalous."""


def called_too_early(adapter: object) -> ModelError:
    """The error for ``score`` before ``prepare``; it names the right order."""
    return ModelError(
        f"{type(adapter).__name__}.score was called before prepare",
        fix="Call prepare(prompts) once, then score(queries) as often as you like.",
    )
