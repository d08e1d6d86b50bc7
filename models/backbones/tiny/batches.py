"""Training batches: crops of surfaces with and without flaws, and drawings of glyphs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from gad.models.backbones.tiny import glyphs, marks, scenes
from gad.models.backbones.tiny.marks import Pick

FAMILIES = tuple(scenes.FAMILIES)
GLYPHS = tuple(glyphs.GLYPHS)
DIGITS = len(glyphs.DIGITS)
CLASSES, DRAWINGS = 10, 2  # glyphs of a batch, drawings of each
FEW = 0.03  # a patch is flawed where this share of its pixels is, and whole where none is


class Surfaces(NamedTuple):
    """Groups of four images of one surface: two whole, two flawed."""

    images: Tensor  # [groups, 4, 3, side, side]
    flawed: Tensor  # [groups, 4, patches] 1 flawed, 0 whole, -1 neither
    kinds: Tensor  # [groups, 2] kind of flaw of the last two images
    families: Tensor  # [groups]


class Drawings(NamedTuple):
    """A few drawings of each of some glyphs, all in one style."""

    images: Tensor  # [classes, drawings, 3, side, side]
    glyphs: Tensor  # [classes] numbers of the glyphs


class Generator:
    """Makes batches; all of them follow from the seed. Surfaces are drawn once, as canvases."""

    def __init__(self, seed: int, canvases: int, side: int, patch: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.pick = Pick(torch.Generator().manual_seed(seed))
        self.side, self.patch = side, patch
        self.families = np.arange(canvases) % len(FAMILIES)
        drawn = [scenes.canvas(self.rng, FAMILIES[family]) for family in self.families]
        self.canvases = torch.from_numpy(np.stack(drawn))
        # Some surfaces are always seen the right way up, others from any side.
        self.turns = torch.from_numpy(self.rng.choice([0.12, 0.12, 3.14], canvases)).float()

    def surfaces(self, groups: int) -> Surfaces:
        chosen = torch.from_numpy(self.rng.choice(len(self.canvases), groups, replace=False))
        four = chosen.repeat_interleave(4)
        pictures = marks.photograph(self.pick, self.canvases[four] / 255, self.side, self.turns[four])
        # Faint surfaces make flaws easy to see, which is where learning to see them starts.
        strength = self.pick.between(groups, 0.03, 1.0).square().repeat_interleave(4, 0)[:, None]
        middle = pictures.mean((2, 3), keepdim=True)
        pictures = middle + strength * (pictures - middle)
        pictures = pictures.reshape(groups, 4, 3, self.side, self.side)
        whole, bad = pictures[:, :2], pictures[:, 2:].flatten(0, 1)
        # What does not belong on a surface is a piece of the next group's.
        bad, mask, kinds = marks.damage(self.pick, bad, whole.roll(1, 0).flatten(0, 1))
        images = torch.cat([whole, bad.unflatten(0, (groups, 2))], 1)
        share = F.avg_pool2d(mask[:, None].float(), self.patch).flatten(1).unflatten(0, (groups, 2))
        state = torch.where(share >= FEW, 1.0, torch.where(share > 0, -1.0, 0.0))
        flawed = torch.cat([torch.zeros_like(state), state], 1)
        lit = marks.light(self.pick, images.flatten(0, 1)).unflatten(0, (groups, 4))
        families = torch.from_numpy(self.families)[chosen]
        return Surfaces(_eight_bits(lit), flawed, kinds.reshape(groups, 2), families)

    def drawings(self) -> Drawings:
        rng = self.rng
        digits_only = rng.random() < 0.75
        most = DIGITS if digits_only else len(GLYPHS)
        chosen = rng.permutation(most)[:CLASSES]
        names = [GLYPHS[i] for i in chosen for _ in range(DRAWINGS)]
        coarse = rng.random() < 0.7
        make = glyphs.digits_8x8 if coarse else glyphs.glyphs
        images = _eight_bits(make(rng, names, self.side))
        return Drawings(images.unflatten(0, (CLASSES, DRAWINGS)), torch.from_numpy(chosen))


def _eight_bits(images: Tensor) -> Tensor:
    return torch.round(images.clamp(0, 1) * 255) / 255
