"""Training batches: crops of surfaces with and without flaws, and drawings of glyphs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from gad.models.backbones.tiny import camera, glyphs, marks, patterns, scenes
from gad.models.backbones.tiny.shapes import Pick

FAMILIES = tuple(patterns.FAMILIES)
GLYPHS = tuple(glyphs.GLYPHS)
DIGITS = len(glyphs.DIGITS)
CLASSES, DRAWINGS = 6, 2  # glyphs of a batch, drawings of each
FEW = 0.03  # a patch is flawed where this share of its pixels is, and whole where none is
DRAWN = 128  # pixels of a picture of a surface before it is resized, as in a camera
SHARD, TWICE = 100, 2  # groups that are drawn at a time; groups of each surface


class Surfaces(NamedTuple):
    """Groups of four images of one surface: two whole, two flawed. Images 0..1, or 0..255 where stored."""

    images: Tensor  # [groups, 4, 3, side, side]
    flawed: Tensor  # int8 [groups, 4, cells, cells] 1 flawed, 0 whole, -1 neither
    kinds: Tensor  # [groups, 2] kind of flaw of the last two images
    families: Tensor  # [groups]


class Drawings(NamedTuple):
    """A few drawings of each of some glyphs, all in one style."""

    images: Tensor  # [classes, drawings, 3, side, side]
    glyphs: Tensor  # [classes] numbers of the glyphs


def shard(seed: int, groups: int, side: int, cells: int) -> Surfaces:
    """Groups as they are stored (bytes); all of it follows from the seed."""
    rng, pick = np.random.default_rng(seed), Pick(torch.Generator().manual_seed(seed))
    families = torch.from_numpy(rng.integers(len(FAMILIES), size=-(-groups // TWICE)))
    canvases = torch.from_numpy(np.stack([scenes.canvas(rng, FAMILIES[f]) for f in families]))
    # Some surfaces are always seen the right way up, others from any side.
    turns = torch.from_numpy(rng.choice([0.12, 0.12, 3.14], len(canvases))).float()
    parts = []
    for chosen in (torch.arange(groups) % len(canvases)).split(10):
        four = chosen.repeat_interleave(4)
        pictures = camera.photograph(pick, canvases[four] / 255, DRAWN, turns[four])
        pictures = camera.recoloured(pick, pictures.unflatten(0, (-1, 4)))
        parts.append(_damaged(pick, pictures, families[chosen], side, cells))
    return Surfaces(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _damaged(pick: Pick, pictures: Tensor, families: Tensor, side: int, cells: int) -> Surfaces:
    """Flaws on the last two pictures of each group; light on all."""
    whole, bad = pictures[:, :2], pictures[:, 2:].flatten(0, 1)
    # What does not belong on a surface is a piece of the next group's.
    bad, mask, kinds = marks.damage(pick, bad, whole.roll(1, 0).flatten(0, 1))
    images = torch.cat([whole, bad.unflatten(0, (-1, 2))], 1)
    share = F.adaptive_avg_pool2d(mask[:, None].float(), cells)[:, 0].unflatten(0, (-1, 2))
    state = torch.where(share >= FEW, 1, torch.where(share > 0, -1, 0)).to(torch.int8)
    flawed = torch.cat([torch.zeros_like(state), state], 1)
    lit = _bytes(camera.light(pick, images.flatten(0, 1)))
    if side != DRAWN:
        lit = _bytes(F.interpolate(lit / 255, size=side, mode="bicubic", antialias=True))
    return Surfaces(lit.unflatten(0, (-1, 4)), flawed, kinds.unflatten(0, (-1, 2)), families)


class Generator:
    """Makes batches; all of them follow from the seed.

    Groups of surfaces are drawn once, and come again turned, mirrored and with their colours swapped.
    """

    def __init__(self, seed: int, groups: int, side: int, patch: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.side = side
        parts = [
            shard(100_000 * seed + start, min(SHARD, groups - start), side, side // patch)
            for start in range(0, groups, SHARD)
        ]
        self.stored = Surfaces(*(torch.cat(part) for part in zip(*parts, strict=True)))
        self.order: list[int] = []

    def surfaces(self, groups: int) -> Surfaces:
        if len(self.order) < groups:
            self.order = self.rng.permutation(len(self.stored.images)).tolist()
        rows, self.order = self.order[:groups], self.order[groups:]
        images: list[Tensor] = []
        flawed: list[Tensor] = []
        for row in rows:
            turns, mirrored, channels = self.rng.integers(4), self.rng.random() < 0.5, self.rng.permutation(3)
            for kept, stored in (
                (images, self.stored.images[row][:, channels]),
                (flawed, self.stored.flawed[row]),
            ):
                turned = torch.rot90(stored, int(turns), (-2, -1))
                kept.append(turned.flip(-1) if mirrored else turned)
        return Surfaces(
            torch.stack(images) / 255,
            torch.stack(flawed).flatten(2).float(),
            self.stored.kinds[rows],
            self.stored.families[rows],
        )

    def drawings(self) -> Drawings:
        rng = self.rng
        digits_only = rng.random() < 0.75
        most = DIGITS if digits_only else len(GLYPHS)
        chosen = rng.permutation(most)[:CLASSES]
        names = [GLYPHS[i] for i in chosen for _ in range(DRAWINGS)]
        coarse = rng.random() < 0.7
        make = glyphs.digits_8x8 if coarse else glyphs.glyphs
        images = _bytes(make(rng, names, self.side)) / 255
        return Drawings(images.unflatten(0, (CLASSES, DRAWINGS)), torch.from_numpy(chosen))


def _bytes(images: Tensor) -> Tensor:
    return torch.round(images.clamp(0, 1) * 255).byte()
