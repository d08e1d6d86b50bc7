"""What comes of a class text: its two embeddings, and the text priors of windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gad.harness.features.store import FeatureStore


def text_embeddings(store: FeatureStore, encoder: str, text: str) -> NDArray[np.float32]:
    """The normal and the anomalous text embedding of a class text, fp32 ``[2, D]``, of length 1."""
    import torch

    from gad.harness.executor.encode import text_digest
    from gad.harness.features.shards import Stream
    from gad.models.clip_text import prompts_for
    from gad.models.text_prior import class_embedding

    stream = Stream(encoder=encoder, name="text")
    groups = [[text_digest(line) for line in group] for group in prompts_for(text)]
    rows = [class_embedding(torch.from_numpy(store.read(stream, group))) for group in groups]
    found: NDArray[np.float32] = torch.stack(rows).numpy()
    return found


def window_priors(windows: NDArray[np.float16], texts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Text prior of every window, in 0..1: fp16 ``[n, windows, D]`` and fp32 ``[2, D]`` to fp32 ``[n, windows]``.

    One image at a time, so that its bits do not depend on how many others are looked at together.
    """
    import torch

    from gad.models.text_prior import text_prior

    normal, anomalous = torch.from_numpy(texts)
    found = np.empty(windows.shape[:2], dtype=np.float32)
    for row, image in zip(found, windows, strict=True):
        row[:] = text_prior(torch.from_numpy(image.astype(np.float32)), normal, anomalous).numpy()
    return found
