"""What detectors are shown by the conformance suite: drawn surfaces with planted defects, as files.

    FOLDER/gad-data/planted/<category>/train/good/000.png
    FOLDER/gad-data/planted/<category>/test/good/000.png, test/defect/000.png
    FOLDER/gad-data/planted/<category>/ground_truth/defect/000_mask.png
    FOLDER/gad-data/planted/labels.csv
    FOLDER/gad-results/scores.csv

The files lie where a run would have them, labels, masks and all: an adapter that goes looking finds them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from gad.harness.nouns import Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 96  # pixels
PROMPTS, NORMAL, ANOMALOUS = 8, 9, 9  # images a category
DEFECT_SIDE = SIDE * 2 // 5  # a defect covers a sixth of its image: what misses it, misses everything
DATA, RESULTS = "gad-data", "gad-results"

# category -> ground colour, colour of the defects, stripes a picture, their direction (radians)
SURFACES = {
    "slate": ((96, 104, 112), (235, 225, 60), 9.0, 0.4),
    "canvas": ((190, 170, 130), (40, 20, 60), 14.0, 1.2),
    "copper": ((170, 100, 70), (60, 220, 230), 6.0, 2.1),
    "grass": ((70, 120, 60), (225, 225, 240), 11.0, 2.8),
}
TESTED, AUXILIARY, ODD = ("slate", "canvas"), ("copper", "grass"), "odd"


@dataclass(frozen=True)
class Planted:
    """One category: its prompts, and its queries (normal ones first)."""

    name: str
    prompts: tuple[Sample, ...]
    queries: tuple[Sample, ...]

    @property
    def labels(self) -> NDArray[np.int8]:
        return np.array([sample.label for sample in self.queries], dtype=np.int8)


class Field:
    """The planted files: ``root`` is what paths of samples are relative to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / DATA / "planted"
        self.categories = {name: self._category(name, i) for i, name in enumerate(SURFACES)}
        self.categories[ODD] = self._odd()
        rows = [s for c in self.categories.values() for s in c.queries]
        (self.root / "labels.csv").write_text("".join(f"{s.id},{s.label}\n" for s in rows))
        (folder / RESULTS).mkdir()
        (folder / RESULTS / "scores.csv").write_text("".join(f"{s.id},{s.label}.0\n" for s in rows))

    def __getitem__(self, category: str) -> Planted:
        return self.categories[category]

    def _category(self, name: str, number: int) -> Planted:
        draw = np.random.default_rng(number)
        prompts = [self._normal(name, "train", i, draw) for i in range(PROMPTS)]
        queries = [self._normal(name, "test", i, draw) for i in range(NORMAL)]
        queries += [self._defective(name, i, draw) for i in range(ANOMALOUS)]
        return Planted(name, tuple(prompts), tuple(queries))

    def _normal(self, name: str, split: Any, number: int, draw: np.random.Generator) -> Sample:
        image = Image.fromarray(surface(name, draw))
        return self._write(image, f"{name}/{split}/good/{number:03d}.png", name, split=split)

    def _defective(self, name: str, number: int, draw: np.random.Generator) -> Sample:
        pixels, mask = with_defect(surface(name, draw), SURFACES[name][1], draw)
        marks = f"{name}/ground_truth/defect/{number:03d}_mask.png"
        (self.root / marks).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(self.root / marks)
        path = f"{name}/test/defect/{number:03d}.png"
        return self._write(Image.fromarray(pixels), path, name, label=1, defect="defect", mask=marks)

    def _odd(self) -> Planted:
        """Images that real folders hold: grey, long, tiny, of one colour, with transparency, of 16 bits."""
        draw = np.random.default_rng(len(SURFACES))
        shapes: list[tuple[str, Callable[[Image.Image], Image.Image]]] = [
            ("grey", lambda image: image.convert("L")),
            ("wide", lambda image: image.resize((150, 60))),
            ("tall", lambda image: image.resize((40, 130))),
            ("tiny", lambda image: image.resize((3, 2))),
            ("one-pixel", lambda image: image.resize((1, 1))),
            ("black", lambda image: Image.new("RGB", image.size)),
            ("white", lambda image: Image.new("L", image.size, 255)),
            ("transparent", lambda image: image.convert("RGBA")),
            ("palette", lambda image: image.convert("P")),
            ("deep", lambda image: Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)),
        ]
        made = []
        for split in ("train", "test"):
            for name, change in shapes:
                image = change(Image.fromarray(surface("slate", draw)))
                made.append(self._write(image, f"{ODD}/{split}/good/{name}.png", ODD, split=split))
        return Planted(ODD, tuple(made[:8]), tuple(made[len(shapes) :]))

    def _write(
        self,
        image: Image.Image,
        path: str,
        category: str,
        *,
        split: Any = "test",
        label: Any = 0,
        defect: str = "",
        mask: str = "",
    ) -> Sample:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        image.save(place)
        digest = hashlib.sha256(place.read_bytes()).hexdigest()
        return Sample(
            id=path,
            path=path,
            label=label,
            split=split,
            category=category,
            digest=digest,
            defect=defect,
            mask=mask,
        )


def surface(name: str, draw: np.random.Generator) -> NDArray[np.uint8]:
    """A striped, slightly noisy surface of its own phase and light: uint8 ``[SIDE, SIDE, 3]``."""
    ground, _, stripes, turn = SURFACES[name]
    line = np.arange(SIDE) / SIDE
    along = np.cos(turn) * line[None, :] + np.sin(turn) * line[:, None]
    wave = 14 * np.sin(2 * np.pi * (stripes * along + draw.random())) + draw.normal(0, 3)
    picture = np.array(ground) + wave[..., None] + draw.normal(0, 4, (SIDE, SIDE, 3))
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def with_defect(
    pixels: NDArray[np.uint8], colour: tuple[int, int, int], draw: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A square of another colour somewhere on a surface, and its mask (uint8 ``[SIDE, SIDE]``, 255 there)."""
    left, top = draw.integers(0, SIDE - DEFECT_SIDE, 2)
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[top : top + DEFECT_SIDE, left : left + DEFECT_SIDE] = 255
    return np.where(mask[..., None] > 0, np.array(colour, dtype=np.uint8), pixels), mask
