"""InCTRL on ViT-B-16-plus-240 against the literal reference, from image files to scores, in fp32.

    python benchmarks/parity.py [--threads N] [--place DIR]

A checkpoint of the released layout with drawn weights is written and read as a released one would be. Nine
kinds of images (RGB, grey, palette, alpha, CMYK, odd sizes and aspects), K from 1 to 8, compositional texts and
CIFAR-10's pair: 72 combinations. Prints the largest absolute difference by kind of score; takes minutes.
DIR keeps weights and features, so that a run that was stopped goes on.
tests/executor/test_parity.py is the same on the bundled CLIP.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
import open_clip
import torch
from oracles.inctrl_images import Reference, draw_images
from parity import Fast, largest_difference, write_checkpoint

ARCHITECTURE = "ViT-B-16-plus-240"
NAMES = ("candle", "cat", "animal")


def main() -> None:
    parser = argparse.ArgumentParser(description="The fast path against the literal reference.")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--place", type=Path)
    asked = parser.parse_args()
    threads = asked.threads
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as name:
        place = asked.place or Path(name)
        file = place / "checkpoint.pyth"
        if not file.exists():
            place.mkdir(parents=True, exist_ok=True)
            torch.manual_seed(0)
            encoder = open_clip.create_model(ARCHITECTURE, pretrained=None).state_dict()
            write_checkpoint(file, encoder, f"{ARCHITECTURE}:{file}")
            del encoder
        images = draw_images(Path(name) / "images")
        prompts = draw_images(Path(name) / "prompts", seed=1)[:8]
        config = open_clip.get_model_config(ARCHITECTURE)
        reference = Reference(file, config, open_clip.get_tokenizer(ARCHITECTURE))
        fast = Fast(file, f"{ARCHITECTURE}:{file}", place / "cache", threads)
        worst, seen = largest_difference(
            fast, reference, images, prompts, NAMES, Path(name) / "work", alone=()
        )
    print(f"{len(seen['score'])} combinations on {ARCHITECTURE}; largest absolute difference:")
    for kind, value in worst.items():
        of = seen.get(kind, seen["score"])
        print(f"  {kind:12} {value:.1e}   (scores {min(of):.4f} to {max(of):.4f}, std {np.std(of):.4f})")
    sys.exit(max(worst.values()) >= 1e-4)


if __name__ == "__main__":
    main()
