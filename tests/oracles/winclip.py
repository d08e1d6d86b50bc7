"""WinCLIP's scores and maps straight from its equations, one query and one number at a time, in float64.

Shares nothing with gad.models.winclip.
"""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray


def windows(side: int, size: int) -> list[list[int]]:
    """Patch numbers of each window, windows by their upper left patch, by rows."""
    found = []
    for top in range(side - size + 1):
        for left in range(side - size + 1):
            found.append(
                [(top + down) * side + left + right for down in range(size) for right in range(size)]
            )
    return found


def association(vectors: Array, references: Array) -> Array:
    """min over references of (1 - cos) / 2 for each vector; [m, D] against [r, D]."""
    out = np.zeros(len(vectors))
    for i, vector in enumerate(vectors.astype(np.float64)):
        nearest = math.inf
        for reference in references.astype(np.float64):
            lengths = math.sqrt(float(np.dot(vector, vector)) * float(np.dot(reference, reference)))
            nearest = min(nearest, (1.0 - float(np.dot(vector, reference)) / lengths) / 2.0)
        out[i] = nearest
    return out


def over_patches(values: Array, side: int, size: int, harmonic: bool) -> Array:
    """Each patch's arithmetic or harmonic mean of the windows that hold it."""
    out = np.zeros(side * side)
    for patch in range(side * side):
        held = [float(values[w]) for w, window in enumerate(windows(side, size)) if patch in window]
        if harmonic:
            out[patch] = 0.0 if min(held) == 0.0 else len(held) / sum(1.0 / value for value in held)
        else:
            out[patch] = sum(held) / len(held)
    return out


def association_map(query: tuple[Array, Array, Array], prompts: tuple[Array, Array, Array]) -> Array:
    """Of 2x2 windows, 3x3 windows and patches; prompts' vectors are pooled as [r, D]."""
    side = math.isqrt(len(query[2]))
    small = over_patches(association(query[0], prompts[0]), side, 2, harmonic=False)
    medium = over_patches(association(query[1], prompts[1]), side, 3, harmonic=False)
    patches = association(query[2], prompts[2])
    return np.array([(small[i] + medium[i] + patches[i]) / 3.0 for i in range(side * side)])


def image_score(prior: float, association: Array) -> float:
    return (prior + max(float(value) for value in association)) / 2.0


def text_map(small: Array, medium: Array, image: float, side: int) -> Array:
    first = over_patches(small, side, 2, harmonic=True)
    second = over_patches(medium, side, 3, harmonic=True)
    return np.array([3.0 / (1.0 / first[i] + 1.0 / second[i] + 1.0 / image) for i in range(side * side)])


def text_score(embedding: Array, normal: Array, anomalous: Array) -> float:
    """Of the two softmax values at temperature 1/100 the anomalous text's; normal and anomalous of length 1."""
    vector = embedding.astype(np.float64)
    length = math.sqrt(float(np.dot(vector, vector)))
    cosines = [float(np.dot(vector, text)) / length for text in (normal, anomalous)]
    powers = [math.exp(100.0 * (cosine - max(cosines))) for cosine in cosines]
    return powers[1] / (powers[0] + powers[1])


def language_map(image: Array, windows: tuple[Array, Array], texts: tuple[Array, Array], side: int) -> Array:
    """The zero-shot map, of the image's embedding and those of its 2x2 and 3x3 windows."""
    small, medium = (np.array([text_score(window, *texts) for window in scale]) for scale in windows)
    return text_map(small, medium, text_score(image, *texts), side)


def pixel_map(language: Array, association: Array) -> Array:
    """The few-shot map: both in equal parts."""
    return np.array([(text + near) / 2.0 for text, near in zip(language, association, strict=True)])
