"""What a detector must be to run here: two phases, prompts first, then queries.

    class MyDetector(ImageAdapter):
        def prepare(self, prompts): ...          # uint8 [K, size, size, 3]
        def score(self, queries): return ...     # uint8 [n, size, size, 3] -> float [n], higher = worse

    class MyFeatureDetector(FeatureAdapter):
        def prepare(self, prompts): ...          # Features of the K prompts
        def score(self, queries): return ...     # Features of n queries -> float [n]

A detector that says more than one number an image returns :class:`Scored`: scores, maps, named parts.
A trained detector adds ``train(auxiliary) -> Checkpoint``, called once on an instance of its own (the
context's seed is the training seed), and ``load(arrays)``, called before ``prepare``. What it is shown is
:class:`Auxiliary` where its input is features, :class:`AuxiliaryImages` where it is images.

One instance serves one part: a category, K and seed. Batches are cut by the harness, always the same
way, so a score may not depend on the other queries in a batch. Inputs are read-only views.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gad.harness.auxiliary import Auxiliary as Auxiliary
from gad.harness.auxiliary import AuxiliaryImages as AuxiliaryImages
from gad.harness.auxiliary import TextTower as TextTower
from gad.harness.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Context:
    """All an adapter learns of the run beside its images.

    ``maps``: whether anybody will look at maps. One whose maps cost extra may leave them away otherwise;
    scores may not depend on it.
    """

    category: str
    text: str
    seed: int
    device: str = "cpu"
    dtype: str = "float32"
    maps: bool = False
    progress: Callable[[str], None] = field(default=lambda message: None, repr=False)


@dataclass(frozen=True)
class Features:
    """Features of n images; what was not asked for is empty or None.

    ``class_tokens``: fp32 ``[n, D]``, projected, not normalised. ``tokens``: layer -> fp16 ``[n, P, W]``.
    ``nearest``: layer -> fp32 ``[n, P]`` in 0..1, ``0.5 * (1 - cos)`` to the nearest prompt patch
    (queries only). ``text``: fp32 ``[2, D]``, the normal and the anomalous embedding, of length 1.
    ``windows``: size -> fp16 ``[n, windows, D]``, projected, not normalised; windows by their upper left
    patch, by rows. ``nearest_windows``: size -> fp32 ``[n, windows]``, as ``nearest``. ``size``: side in pixels
    of the images that the encoder saw. ``window_priors``: size -> fp32 ``[n, windows]`` in 0..1,
    ``softmax(100 * cos(window, text))`` at the anomalous text (queries only, and only where maps will be
    looked at).
    """

    class_tokens: NDArray[np.float32]
    tokens: dict[int, NDArray[np.float16]] = field(default_factory=dict)
    nearest: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    text: NDArray[np.float32] | None = None
    windows: dict[int, NDArray[np.float16]] = field(default_factory=dict)
    nearest_windows: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    size: int = 0
    window_priors: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.class_tokens)

    def rows(self, start: int, stop: int) -> Features:
        """Images ``start`` to ``stop`` (views, not copies)."""
        return replace(
            self,
            class_tokens=self.class_tokens[start:stop],
            tokens={layer: rows[start:stop] for layer, rows in self.tokens.items()},
            nearest={layer: rows[start:stop] for layer, rows in self.nearest.items()},
            windows={size: rows[start:stop] for size, rows in self.windows.items()},
            nearest_windows={size: rows[start:stop] for size, rows in self.nearest_windows.items()},
            window_priors={size: rows[start:stop] for size, rows in self.window_priors.items()},
        )


@dataclass(frozen=True)
class Checkpoint:
    """What training leaves: named arrays, the loss of every step in order, and the arrays after each epoch
    if there are epochs."""

    arrays: dict[str, NDArray[Any]]
    losses: tuple[float, ...] = ()
    epochs: tuple[dict[str, NDArray[Any]], ...] = ()


@dataclass(frozen=True)
class Given:
    """A checkpoint made elsewhere, as an importer ``(path, backbone, options) -> Given`` reads it.

    ``arrays`` are what ``load`` takes. What the file says of its making is checked against what it is used
    for: ``shots``, ``encoder`` (the feature store's key) and ``encoder_digest``
    (:func:`gad.models.backbones.weights.frozen_digest` of the encoder's tensors); empty or None where it does not say.
    """

    arrays: dict[str, NDArray[Any]]
    shots: int | None = None
    encoder: str = ""
    encoder_digest: str = ""


@dataclass(frozen=True)
class Scored:
    """What ``score`` returns of n queries where there is more to say than their scores.

    ``scores``: float ``[n]``, finite, higher is more anomalous. ``maps``: float ``[n, h, w]``, finite, higher
    is more anomalous, at the detector's own resolution (the patches'), rows from the top; the same h and w
    for all queries; or None. They cover the image as the detector saw it. ``parts``: what a score is made
    of, by name, float ``[n]`` each.
    """

    scores: NDArray[np.floating]
    maps: NDArray[np.floating] | None = None
    parts: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)


class _Adapter:
    """``options`` is an instance of the model's options class.

    ``parameters``: how many the adapter holds itself (trained heads, a network of its own) once it is
    prepared; the frozen encoder's are counted by the harness.
    """

    parameters: int = 0

    def __init__(self, options: Any, context: Context) -> None:
        self.options = options
        self.context = context


class ImageAdapter(_Adapter, ABC):
    """Base of detectors that look at images."""

    @abstractmethod
    def prepare(self, prompts: NDArray[np.uint8]) -> None:
        """Look at the K normal images: uint8 RGB ``[K, size, size, 3]``."""

    @abstractmethod
    def score(self, queries: NDArray[np.uint8]) -> NDArray[np.floating] | Scored:
        """Image scores ``[n]`` of uint8 RGB ``[n, size, size, 3]``: finite, higher is more anomalous."""


class FeatureAdapter(_Adapter, ABC):
    """Base of detectors that look at a frozen encoder's features."""

    @abstractmethod
    def prepare(self, prompts: Features) -> None:
        """Look at the features of the K normal images."""

    @abstractmethod
    def score(self, queries: Features) -> NDArray[np.floating] | Scored:
        """Image scores ``[n]`` of the features of n queries: finite, higher is more anomalous."""


def called_too_early(adapter: object) -> ModelError:
    """The error for ``score`` before ``prepare``; it names the right order."""
    return ModelError(
        f"{type(adapter).__name__}.score was called before prepare",
        fix="Call prepare(prompts) once, then score(queries) as often as you like.",
    )
