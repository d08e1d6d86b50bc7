"""Draws one generated image: a surface in a random pose, perhaps a defect, then light and sensor noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gad.datasets import texture_defects as flaws
from gad.datasets import texture_surfaces as surfaces
from gad.datasets import texture_training_surfaces as training
from gad.datasets.texture_noise import Array, Stream

SIDE = 128  # pixels


class Defect(NamedTuple):
    """Either painted over the picture, or a bend of the surface's coordinates."""

    paint: flaws.Paint | None = None
    bend: flaws.Bend | None = None


class Surface(NamedTuple):
    """``turn``: largest rotation in radians. ``defects`` by name."""

    draw: Callable[[Stream, Array, Array], Array]
    turn: float
    defects: dict[str, Defect]


def _surfaces() -> dict[str, Surface]:
    return {
        "wood": Surface(
            surfaces.wood,
            0.10,
            {
                "scratch": Defect(flaws.scratch(bright=True)),
                "hole": Defect(flaws.hole((0.07, 0.05, 0.04))),
                "stain": Defect(flaws.stain((0.30, 0.28, 0.30))),
                "colour": Defect(flaws.blotch((0.16, -0.16, -0.36))),
            },
        ),
        "fabric": Surface(
            surfaces.fabric,
            0.12,
            {
                "missing_thread": Defect(bend=flaws.missing_line(surfaces.FABRIC_PITCH, 0.5)),
                "hole": Defect(flaws.hole((0.05, 0.05, 0.06), rim=0.25)),
                "stain": Defect(flaws.stain((0.45, 0.35, 0.20), strength=0.75)),
                "thread": Defect(flaws.debris((0.90, 0.30, 0.20))),
            },
        ),
        "tiles": Surface(
            surfaces.tiles,
            0.08,
            {
                "crack": Defect(flaws.crack((0.06, 0.09, 0.09))),
                "chip": Defect(flaws.hole((0.82, 0.78, 0.72), rim=-0.15, radius=(4.5, 8.0))),
                "stain": Defect(flaws.stain((0.55, 0.40, 0.25))),
                "colour": Defect(flaws.blotch((0.35, -0.02, -0.25))),
            },
        ),
        "brushed_metal": Surface(
            surfaces.brushed_metal,
            0.10,
            {
                "scratch": Defect(flaws.scratch(bright=False)),
                "dent": Defect(flaws.dent(0.6)),
                "rust": Defect(flaws.stain((0.75, 0.42, 0.22), strength=0.7)),
                "twist": Defect(bend=flaws.swirl(1.1)),
            },
        ),
        "leather": Surface(
            surfaces.leather,
            3.14,
            {
                "cut": Defect(flaws.crack((0.74, 0.56, 0.40), width=1.2, wander=0.2)),
                "fold": Defect(flaws.fold()),
                "hole": Defect(flaws.hole((0.04, 0.03, 0.03), rim=0.15)),
                "worn": Defect(flaws.worn(0.08)),
            },
        ),
        "mesh": Surface(
            surfaces.mesh,
            0.12,
            {
                "missing_wire": Defect(bend=flaws.missing_line(surfaces.MESH_PITCH, 0.0)),
                "bent": Defect(bend=flaws.swirl(1.0)),
                "thread": Defect(flaws.debris((0.80, 0.55, 0.15))),
                "rust": Defect(flaws.stain((0.75, 0.32, 0.10), strength=0.95)),
            },
        ),
    }


def _training_surfaces() -> dict[str, Surface]:
    return {
        "gravel": Surface(
            training.gravel,
            3.14,
            {
                "oil": Defect(flaws.stain((0.20, 0.20, 0.25), strength=0.8)),
                "paint": Defect(flaws.hole((0.85, 0.80, 0.20), rim=0.0, radius=(6.0, 10.0))),
                "crushed": Defect(flaws.worn(0.05)),
                "twig": Defect(flaws.debris((0.30, 0.16, 0.07))),
            },
        ),
        "carpet": Surface(
            training.carpet,
            0.15,
            {
                "burn": Defect(flaws.hole((0.06, 0.04, 0.04), rim=0.0, radius=(5.0, 9.0))),
                "thread": Defect(flaws.debris((0.85, 0.85, 0.80))),
                "flattened": Defect(flaws.worn(0.04)),
                "bleached": Defect(flaws.blotch((0.15, 0.55, 0.55))),
            },
        ),
        "paper": Surface(
            training.paper,
            3.14,
            {
                "tear": Defect(flaws.crack((0.16, 0.11, 0.07), width=1.2, wander=0.5)),
                "crease": Defect(flaws.fold()),
                "ink": Defect(flaws.stain((0.25, 0.30, 0.55), strength=0.75)),
                "hole": Defect(flaws.hole((0.08, 0.07, 0.06))),
            },
        ),
        "corrugated": Surface(
            training.corrugated,
            0.12,
            {
                "dent": Defect(flaws.dent(0.75)),
                "cut": Defect(flaws.crack((0.14, 0.09, 0.05), wander=0.15)),
                "wet": Defect(flaws.stain((0.45, 0.42, 0.40))),
                "twist": Defect(bend=flaws.swirl(0.9)),
            },
        ),
        "foam": Surface(
            training.foam,
            3.14,
            {
                "gouge": Defect(flaws.hole((0.12, 0.10, 0.04), rim=0.12, radius=(6.0, 9.0))),
                "cut": Defect(flaws.crack((0.10, 0.08, 0.03), width=1.3, wander=0.2)),
                "colour": Defect(flaws.blotch((0.05, -0.30, -0.25))),
                "pressed": Defect(flaws.worn(-0.05)),
            },
        ),
        "stripes": Surface(
            training.stripes,
            0.12,
            {
                "missing_thread": Defect(bend=flaws.missing_line(training.STRIPE_PITCH, 0.5)),
                "twist": Defect(bend=flaws.swirl(0.9)),
                "stain": Defect(flaws.stain((0.45, 0.32, 0.20))),
                "hole": Defect(flaws.hole((0.10, 0.09, 0.08))),
            },
        ),
        "knit": Surface(
            training.knit,
            0.12,
            {
                "dropped_stitch": Defect(bend=flaws.missing_line(training.KNIT_PITCH, 0.5)),
                "pulled": Defect(bend=flaws.swirl(1.0)),
                "thread": Defect(flaws.debris((0.85, 0.75, 0.30))),
                "hole": Defect(flaws.hole((0.05, 0.06, 0.05), rim=0.12)),
            },
        ),
        "granite": Surface(
            training.granite,
            3.14,
            {
                "crack": Defect(flaws.crack((0.08, 0.07, 0.07))),
                "scratch": Defect(flaws.scratch(bright=True)),
                "stain": Defect(flaws.stain((0.60, 0.45, 0.20), strength=0.75)),
                "chip": Defect(flaws.hole((0.88, 0.86, 0.84), rim=-0.2, radius=(5.0, 8.0))),
            },
        ),
    }


def surfaces_of(dataset: str) -> dict[str, Surface]:
    """The surfaces of ``textures`` or ``textures-auxiliary`` by category."""
    return _surfaces() if dataset == "textures" else _training_surfaces()


def draw(
    dataset: str, category: str, split: str, defect: str, number: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """One image ``[128, 128, 3]`` uint8 RGB and, for a defect, its mask ``[128, 128]`` of 0 and 255.

    ``defect`` is ``good`` or a name that the surface has (KeyError otherwise).
    """
    surface = surfaces_of(dataset)[category]
    flaw = Defect() if defect == "good" else surface.defects[defect]
    stream = Stream(dataset, category, split, defect, str(number))
    x, y = flaws.grid(SIDE)
    u, v = _pose(stream, surface.turn, x, y)
    mask = None
    if flaw.bend is not None:
        u, v, mask = flaw.bend(stream, u, v, x, y)
    picture = surface.draw(stream, u, v)
    if flaw.paint is not None:
        picture, mask = flaw.paint(stream, picture)
    pixels = _photograph(stream, picture, x, y)
    return pixels, None if mask is None else np.where(mask, 255, 0).astype(np.uint8)


def _pose(stream: Stream, turn: float, x: Array, y: Array) -> tuple[Array, Array]:
    """Where the camera looks: a place, a small rotation and a distance that changes by up to 6 %."""
    angle, scale = stream.between(-turn, turn), stream.between(0.94, 1.06)
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    return (
        x * cos - y * sin + stream.between(200, 800),
        x * sin + y * cos + stream.between(200, 800),
    )


def _photograph(stream: Stream, picture: Array, x: Array, y: Array) -> NDArray[np.uint8]:
    """Uneven light, exposure, white balance and sensor noise; 8 bits."""
    tilt_x, tilt_y = stream.between(-0.10, 0.10), stream.between(-0.10, 0.10)
    light = stream.between(0.90, 1.10) * (1 + 2 * (tilt_x * x + tilt_y * y) / SIDE)
    balance = np.array([stream.between(0.98, 1.02) for _ in range(3)])
    picture = picture * light[..., None] * balance + 0.012 * stream.pixels(picture.shape)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
