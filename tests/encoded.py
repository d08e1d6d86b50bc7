"""Features of a few pictures from small encoders with generated weights: for tests of what is made of them."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from gad.harness.adapter import Features
from gad.models.backbones import generated, spec, timm_encoder

SIZE = 32
RESNET = f"timm:resnet18@{SIZE}"  # layers 1 to 3: 8x8x64, 4x4x128, 2x2x256


@lru_cache
def resnet() -> timm_encoder.TimmEncoder:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "resnet18.safetensors"
        generated.write("timm:resnet18", path)
        return timm_encoder.load(spec.parse(f"{RESNET}:{path}"))


def pictures(count: int, size: int = SIZE, seed: int = 0) -> np.ndarray:
    """Noise around a slope, uint8 [n, size, size, 3]; every second one has a bright square."""
    random = np.random.default_rng(seed)
    slope = np.linspace(60, 160, size)[None, :, None, None]
    found = slope + random.normal(0, 15, (count, size, size, 3))
    found[1::2, size // 4 : size // 2, size // 4 : size // 2] += 70
    return found.clip(0, 255).astype(np.uint8)


def pictured(folder: Path, seed: int) -> Path:
    """A category in MVTec layout: four normal images to train with, two and two to test."""
    images = iter(pictures(8, seed=seed))
    for place, count in (("train/good", 4), ("test/good", 2), ("test/spot", 2)):
        (folder / "plate" / place).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(next(images)).save(folder / "plate" / place / f"{number}.png")
    return folder


@lru_cache
def features(count: int, seed: int, layers: tuple[int, ...] = (1, 2, 3)) -> Features:
    """As adapters get them, read-only."""
    found = resnet().images(pictures(count, seed=seed), layers)
    for rows in found.values():
        rows.setflags(write=False)
    tokens = {layer: found[f"layer-{layer:02d}"] for layer in layers}
    return Features(class_tokens=found["class"], tokens=tokens, size=SIZE)
