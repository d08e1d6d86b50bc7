"""The nearest prompt patch by the definition: plain loops in float64, one number at a time."""

from __future__ import annotations

import math

import numpy as np


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """``0.5 * (1 - cos(a, b))`` of two vectors [D]; the cosine with a vector of zeros is 0."""
    x, y = [float(v) for v in a], [float(v) for v in b]
    lengths = math.sqrt(math.fsum(v * v for v in x)) * math.sqrt(math.fsum(v * v for v in y))
    cosine = math.fsum(v * w for v, w in zip(x, y, strict=True)) / lengths if lengths else 0.0
    return 0.5 * (1 - cosine)


def all_distances(queries: np.ndarray, prompts: list[np.ndarray]) -> np.ndarray:
    """float64 [n, P, K * P2] of queries [n, P, D] and K prompts [P2, D]."""
    others = [patch for prompt in prompts for patch in prompt]
    return np.array([[[distance(patch, other) for other in others] for patch in query] for query in queries])


def nearest(queries: np.ndarray, prompts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Smallest distance float64 [n, P], and the first place where it is, int [n, P]."""
    distances = all_distances(queries, prompts)
    return distances.min(axis=2), distances.argmin(axis=2)
