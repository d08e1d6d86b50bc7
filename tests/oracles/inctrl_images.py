"""InCTRL from image files to every score as the released code does it: one image at a time, nothing shared.

Preprocessing is torchvision's, the encoder open_clip's with hooks on its blocks, in fp32, texts are written
out here, and the rest is :mod:`oracles.inctrl`. Everything comes from one checkpoint in the authors' layout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from oracles import inctrl as oracle
from PIL import Image
from torchvision import transforms as t

TEMPLATES = [
    text
    for article in ("a", "the")
    for text in (
        *(
            f"a {look} photo of {article} {{}}."
            for look in ("cropped", "close-up", "bright", "dark", "jpeg corrupted", "blurry")
        ),
        f"a photo of {article} {{}}.",
        f"a photo of {article} small {{}}.",
        f"a photo of {article} large {{}}.",
        f"a photo of {article} {{}} for visual inspection.",
        f"a photo of {article} {{}} for anomaly detection.",
    )
]
PAIRED = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck", "animal"]


def sentences(name: str) -> tuple[list[str], list[str]]:
    """What the normal and the anomalous class are told by: the ensemble, or CIFAR-10's pair."""
    if name in PAIRED:
        return [f"a photo of {name} for anomaly detection."], [
            f"a photo without {name} for anomaly detection."
        ]
    normal = [name, *(f"{how} {name}" for how in ("flawless", "perfect", "unblemished"))]
    normal += [f"{name} without {what}" for what in ("flaw", "defect", "damage")]
    anomalous = [f"damaged {name}", *(f"{name} with {what}" for what in ("flaw", "defect", "damage"))]
    return tuple(
        [form.format(state) for state in states for form in TEMPLATES] for states in (normal, anomalous)
    )


class Reference:
    """The model of a checkpoint. ``config`` is open_clip's; an image is encoded once, and kept."""

    def __init__(
        self, checkpoint: Path, config: dict[str, Any], tokenizer: Callable[[list[str]], Any]
    ) -> None:
        state = torch.load(checkpoint, weights_only=True)
        trained = ("adapter.", "diff_head")
        self.heads = {n: v.double().numpy() for n, v in state.items() if n.startswith(trained)}
        self.model = open_clip.CLIP(**config)
        rest = {name: value for name, value in state.items() if name not in self.heads}
        missing, unexpected = self.model.load_state_dict(rest, strict=False)
        assert (missing, unexpected) == (["logit_scale"], [])
        self.model.eval()
        self.tokenizer, self.kept = tokenizer, []
        side, blocks = config["vision_cfg"]["image_size"], self.model.visual.transformer.resblocks
        for block in (round(len(blocks) * part / 12) for part in (7, 9, 11)):
            blocks[block - 1].register_forward_hook(lambda _module, _given, out: self.kept.append(out[0, 1:]))
        self.prepare = t.Compose(
            [
                t.Resize(side, t.InterpolationMode.BICUBIC),
                t.CenterCrop(side),
                lambda image: image.convert("RGB"),
                t.ToTensor(),
                t.Normalize(open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD),
            ]
        )
        self.images: dict[Path, tuple[np.ndarray, list[np.ndarray]]] = {}
        self.texts: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @torch.inference_mode()
    def look(self, path: Path) -> tuple[np.ndarray, list[np.ndarray]]:
        """Class token ``[D]`` and patch tokens ``[P, C]`` of the three blocks."""
        if path not in self.images:
            self.kept.clear()
            token = self.model.encode_image(self.prepare(Image.open(path))[None])[0]
            self.images[path] = token.double().numpy(), [layer.double().numpy() for layer in self.kept]
        return self.images[path]

    @torch.inference_mode()
    def text(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        if name not in self.texts:
            normal, anomalous = (
                oracle.class_embedding(list(self.model.encode_text(self.tokenizer(lines)).numpy()))
                for lines in sentences(name)
            )
            self.texts[name] = normal, anomalous
        return self.texts[name]

    def score(self, image: Path, prompts: Sequence[Path], name: str) -> dict[str, float]:
        """``score``, ``image_score``, ``patch_score``, ``text_score`` of one image."""
        token, layers = self.look(image)
        shown = [self.look(prompt) for prompt in prompts]
        patches = sum(nearest(own, [each[1][n] for each in shown]) for n, own in enumerate(layers)) / len(
            layers
        )
        prior = oracle.text_prior(token, *self.text(name))
        return oracle.score(token, [each[0] for each in shown], patches, prior, self.heads)


def nearest(query: np.ndarray, prompts: Sequence[np.ndarray]) -> np.ndarray:
    """(1 - cos) / 2 of every patch to the nearest of all prompt patches, as one product in float64."""
    everything = np.concatenate(prompts)
    own, others = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (query, everything))
    return 0.5 * (1.0 - (own @ others.T).max(axis=1))


KINDS: dict[str, tuple[str, tuple[int, int]]] = {  # file name -> Pillow mode, (width, height)
    "wide.png": ("RGB", (517, 301)),
    "tall.png": ("RGB", (97, 431)),
    "exact.png": ("RGB", (240, 240)),
    "grey.png": ("L", (131, 97)),
    "grey-alpha.png": ("LA", (211, 333)),
    "palette.png": ("P", (401, 173)),
    "alpha.png": ("RGBA", (149, 149)),
    "strip.png": ("RGB", (901, 61)),
    "four-inks.jpg": ("CMYK", (333, 210)),
}


def draw_images(folder: Path, seed: int = 0) -> list[Path]:
    """Smooth random images of every kind, written into ``folder``."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for name, (mode, (width, height)) in KINDS.items():
        coarse = generator.integers(
            0, 256, (math.ceil(height / 24), math.ceil(width / 24), 4), dtype=np.uint8
        )
        image = Image.fromarray(coarse, "RGBA").resize((width, height), Image.Resampling.BICUBIC)
        converted = image if mode == "RGBA" else image.convert("RGB")
        if mode == "LA":
            converted = image.convert("LA")
        elif mode != "RGBA":
            converted = converted.convert(mode)
        converted.save(folder / name)
    return [folder / name for name in KINDS]
