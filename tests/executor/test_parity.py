"""InCTRL from image files to scores against the literal reference: 72 image and prompt combinations.

The same on ViT-B-16-plus-240 takes minutes: `python benchmarks/parity.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
from oracles.inctrl_images import Reference, draw_images
from parity import SCORES, Fast, largest_difference, write_checkpoint
from safetensors.torch import load_file

from gad.models.backbones.weights import TINY


def test_scores_are_those_of_the_released_code(tmp_path: Path) -> None:
    """K from 1 to 8, every kind of image, texts of both kinds; stored, batched and tiled, and alone."""
    file = tmp_path / "checkpoint.pyth"
    write_checkpoint(file, load_file(TINY / "tiny.safetensors"), "tiny")
    config = json.loads((TINY / "config.json").read_text())
    reference = Reference(file, config, open_clip.SimpleTokenizer(context_length=77))
    images, prompts = draw_images(tmp_path / "images"), draw_images(tmp_path / "prompts", seed=1)[:8]
    fast = Fast(file, "tiny", tmp_path / "cache", threads=1)
    names = ("cat", "metal nut", "animal")
    worst, seen = largest_difference(
        fast, reference, images, prompts, names, tmp_path / "work", alone=range(1, 9)
    )
    assert len(seen["score"]) == 72
    assert max(worst.values()) < 1e-4, worst
    # They are not all alike, or agreeing would say nothing.
    assert all(np.std(seen[kind]) > 1e-3 for kind in SCORES), {k: np.std(v) for k, v in seen.items()}
