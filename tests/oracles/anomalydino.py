"""AnomalyDINO straight from its section 3, patch by patch, in float64. Shares nothing with the package's."""

from __future__ import annotations

import math

import numpy as np
from oracles.patchcore import Array


def patch_distances(query: Array, prompts: list[Array]) -> list[float]:
    """1 - cos of each patch token to the nearest of all prompts' patch tokens."""
    memory = [unit(token) for prompt in prompts for token in prompt]
    return [min(1.0 - float(unit(token) @ other) for other in memory) for token in query]


def unit(token: Array) -> Array:
    token = token.astype(np.float64)
    return token / math.sqrt(float(token @ token))


def image_score(distances: list[float], share: float = 0.01) -> float:
    """Mean of the largest one per cent; of one patch where there are fewer than a hundred."""
    largest = sorted(distances, reverse=True)[: max(1, math.floor(len(distances) * share))]
    return sum(largest) / len(largest)
