"""Surfaces to train the tiny backbone on.

``canvas(rng, family)`` draws one surface, larger than an image, so that images are crops of it: the pattern
of its family, a second one, colours, relief and grain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gad.models.backbones.tiny.patterns import FAMILIES, SIDE, Array, Random, noise


def canvas(rng: Random, family: str) -> NDArray[np.uint8]:
    """One surface of a family, ``[3, SIDE, SIDE]`` uint8 RGB."""
    turn = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    zoom = np.exp(rng.uniform(-0.2, 0.7))
    line = np.arange(SIDE, dtype=np.float32) / zoom
    x, y = line[None, :] + rng.uniform(200, 800), line[:, None] + rng.uniform(200, 800)
    u, v = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    if rng.random() < 0.6:  # nothing real is perfectly straight
        strength = rng.uniform(0.2, 2.0)
        u, v = u + strength * noise(rng, 12, 90), v + strength * noise(rng, 12, 90)
    field: NDArray[Any] = FAMILIES[family](rng, u, v)
    way = rng.random()
    if way < 0.6:  # a second pattern: weak, or only where the first one is high
        other = FAMILIES[str(rng.choice(list(FAMILIES)))](rng, u, v)
        weight = rng.uniform(0.05, 0.35) if way < 0.4 else 0.4 * (1 + np.tanh(3 * field))
        field = field + weight * other
    picture = _coloured(rng, field)
    if rng.random() < 0.3:  # pieces of a colour of their own, whatever the pattern
        tint = _coloured(
            rng, FAMILIES[str(rng.choice(("crystal facets", "camouflage sheet", "felt")))](rng, u, v)
        )
        picture = picture + rng.uniform(0.2, 0.6) * (tint - picture)
    relief = rng.choice([0.0, rng.uniform(0.02, 0.2)])
    slope = rng.choice([-1, 1]) * np.gradient(field, axis=0) + rng.choice([-1, 1]) * np.gradient(
        field, axis=1
    )
    fine = rng.uniform(0.0, 0.06) * noise(rng, 2, rng.uniform(3, 8))
    return np.rint(np.clip(picture + relief * slope + fine, 0, 1) * 255).astype(np.uint8)


def _coloured(rng: Random, field: Array) -> Array:
    """Height to colour: two to four colours around one, with a random contrast."""
    count = rng.integers(2, 5)
    base = rng.uniform(0.2, 0.8) + rng.uniform(0, 0.25) * rng.uniform(-1, 1, 3)  # mostly muted
    spread = rng.uniform(0.08, 0.6)
    levels = rng.permutation(np.linspace(-1, 1, count))[:, None]  # mainly light against dark
    colours = np.clip(base + spread * (0.7 * levels + 0.3 * rng.uniform(-1, 1, (count, 3))), 0.02, 0.98)
    places = np.linspace(-1, 1, count)
    flat = np.clip(field, -1.3, 1.3).ravel()
    return np.stack([np.interp(flat, places, c).reshape(field.shape) for c in colours.T]).astype(np.float32)
