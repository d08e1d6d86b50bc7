"""Inputs of the benchmarks: photographs of nothing and weights of nothing, so that nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def folder(place: Path, test: int, train: int, side: int = 300, seed: int = 0) -> Path:
    """A dataset of one category in MVTec layout, half of its test images anomalous."""
    generator = np.random.default_rng(seed)
    wanted = [("train/good", train), ("test/good", test - test // 2), ("test/flaw", test // 2)]
    for split, count in wanted:
        (place / "thing" / split).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
            image.save(place / "thing" / split / f"{number:03d}.png")
    return place


def weights(architecture: str, path: Path) -> str:
    """The backbone's name with weights that open_clip draws for it."""
    import open_clip
    import torch

    torch.manual_seed(0)
    torch.save(open_clip.create_model(architecture, pretrained=None).state_dict(), path)
    return f"{architecture}:{path}"
