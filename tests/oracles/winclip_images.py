"""WinCLIP on image files: torchvision's preprocessing, windows as masks on the attention of an open_clip
model, and the text prompts written out.

Shares nothing with gad.models.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import torch
from oracles import winclip as oracle
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

Array = np.ndarray
FLAWS = ("flaw", "defect", "damage")
LOOKS = ("cropped", "close-up", "bright", "dark", "jpeg corrupted", "blurry")
ENDS = (".", " for visual inspection.", " for anomaly detection.")


class Reference:
    """``model``: an open_clip CLIP with a plain ViT; ``tokenize`` makes its text tokens."""

    def __init__(self, model: torch.nn.Module, tokenize: object) -> None:
        self.model, self.tokenize = model.eval(), tokenize
        self.visual = model.visual
        self.size = int(self.visual.image_size[0])
        self.side = int(self.visual.grid_size[0])

    def pixels(self, path: Path) -> torch.Tensor:
        """An image as torchvision prepares it for CLIP: ``[1, 3, size, size]``."""
        steps = [
            Resize(self.size, InterpolationMode.BICUBIC),
            CenterCrop(self.size),
            lambda image: image.convert("RGB"),
            ToTensor(),
            Normalize(open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD),
        ]
        found: torch.Tensor = Compose(steps)(Image.open(path)).unsqueeze(0)
        return found

    def masked(self, tokens: torch.Tensor, windows: list[list[int]]) -> torch.Tensor:
        """Tokens after the last block, once for each window: all may look only at the class token and it."""
        count = 1 + self.side**2
        mask = torch.full((len(windows), count, count), -torch.inf)
        for row, window in zip(mask, windows, strict=True):
            row[:, [0, *(patch + 1 for patch in window)]] = 0
        heads = self.visual.transformer.resblocks[0].attn.num_heads
        tokens = tokens.expand(len(windows), -1, -1)
        for block in self.visual.transformer.resblocks:
            tokens = block(tokens, attn_mask=mask.repeat_interleave(heads, dim=0))
        return tokens

    @torch.inference_mode()
    def look(self, path: Path) -> tuple[Array, tuple[Array, Array, Array]]:
        """The image's embedding ``[D]``, and what is compared: windows of 2x2 and 3x3 patches, and patches."""
        visual = self.visual
        tokens = visual.conv1(self.pixels(path)).flatten(2).transpose(1, 2)
        tokens = torch.cat([visual.class_embedding.expand(1, 1, -1), tokens], dim=1)
        tokens = visual.ln_pre(tokens + visual.positional_embedding)
        small, medium = (
            (visual.ln_post(self.masked(tokens, oracle.windows(self.side, size))[:, 0]) @ visual.proj).numpy()
            for size in (2, 3)
        )
        (last,) = self.masked(tokens, [list(range(self.side**2))])
        image = visual.ln_post(last[0]) @ visual.proj
        return image.double().numpy(), (small, medium, last[1:].numpy())

    def texts(self, name: str) -> tuple[Array, Array]:
        """The normal and the anomalous embedding of a class text, of length 1."""
        normal = [name, f"flawless {name}", f"perfect {name}", f"unblemished {name}"]
        normal += [f"{name} without {flaw}" for flaw in FLAWS]
        return self._text(normal), self._text([f"damaged {name}", *(f"{name} with {flaw}" for flaw in FLAWS)])

    @torch.inference_mode()
    def _text(self, states: list[str]) -> Array:
        templates = [f"a {look} photo of {article} {{}}." for look in LOOKS for article in ("a", "the")]
        templates += [f"a photo of {article} {{}}{end}" for article in ("a", "the") for end in ENDS]
        templates += ["a photo of a small {}.", "a photo of the small {}."]
        templates += ["a photo of a large {}.", "a photo of the large {}."]
        lines = [template.format(state) for template in templates for state in states]
        assert len(lines) == 22 * len(states)
        rows = self.model.encode_text(self.tokenize(lines)).double().numpy()
        mean = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0)
        found: Array = mean / np.linalg.norm(mean)
        return found
