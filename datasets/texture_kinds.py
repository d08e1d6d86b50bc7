"""Which surfaces there are in the two generated datasets, and which defects each may have."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gad.datasets import texture_defects as flaws
from gad.datasets import texture_surfaces as surfaces
from gad.datasets import texture_training_surfaces as training
from gad.datasets.texture_noise import Array, Stream


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
        "gravel": _gravel(),
        "carpet": _carpet(),
        "paper": _paper(),
        "corrugated": _corrugated(),
        "foam": _foam(),
        "stripes": _stripes(),
        "knit": _knit(),
        "granite": _granite(),
    }


def _gravel() -> Surface:
    return Surface(
        training.gravel,
        3.14,
        {
            "oil": Defect(flaws.stain((0.06, 0.06, 0.10), strength=0.95)),
            "paint": Defect(flaws.hole((0.85, 0.80, 0.20), rim=0.0, radius=(6.0, 10.0))),
            "crushed": Defect(flaws.worn(0.05)),
            "straw": Defect(flaws.debris((0.86, 0.72, 0.36))),
        },
    )


def _carpet() -> Surface:
    return Surface(
        training.carpet,
        0.15,
        {
            "burn": Defect(flaws.hole((0.06, 0.04, 0.04), rim=0.0, radius=(5.0, 9.0))),
            "thread": Defect(flaws.debris((0.85, 0.85, 0.80))),
            "flattened": Defect(flaws.worn(0.04)),
            "bleached": Defect(flaws.blotch((0.25, 0.80, 0.80))),
        },
    )


def _paper() -> Surface:
    return Surface(
        training.paper,
        3.14,
        {
            "tear": Defect(flaws.crack((0.16, 0.11, 0.07), width=1.2, wander=0.5)),
            "crease": Defect(flaws.fold()),
            "ink": Defect(flaws.stain((0.25, 0.30, 0.55), strength=0.75)),
            "hole": Defect(flaws.hole((0.08, 0.07, 0.06))),
        },
    )


def _corrugated() -> Surface:
    return Surface(
        training.corrugated,
        0.12,
        {
            "dent": Defect(flaws.dent(0.75)),
            "cut": Defect(flaws.crack((0.14, 0.09, 0.05), wander=0.15)),
            "wet": Defect(flaws.stain((0.45, 0.42, 0.40))),
            "twist": Defect(bend=flaws.swirl(0.9)),
        },
    )


def _foam() -> Surface:
    return Surface(
        training.foam,
        3.14,
        {
            "gouge": Defect(flaws.hole((0.12, 0.10, 0.04), rim=0.12, radius=(6.0, 9.0))),
            "cut": Defect(flaws.crack((0.10, 0.08, 0.03), width=1.3, wander=0.2)),
            "colour": Defect(flaws.blotch((0.05, -0.30, -0.25))),
            "pressed": Defect(flaws.worn(-0.05)),
        },
    )


def _stripes() -> Surface:
    return Surface(
        training.stripes,
        0.12,
        {
            "missing_thread": Defect(bend=flaws.missing_line(training.STRIPE_PITCH, 0.5)),
            "twist": Defect(bend=flaws.swirl(0.9)),
            "stain": Defect(flaws.stain((0.40, 0.28, 0.16), strength=0.85)),
            "hole": Defect(flaws.hole((0.10, 0.09, 0.08))),
        },
    )


def _knit() -> Surface:
    return Surface(
        training.knit,
        0.12,
        {
            "dropped_stitch": Defect(bend=flaws.missing_line(training.KNIT_PITCH, 0.5)),
            "pulled": Defect(bend=flaws.swirl(1.0)),
            "thread": Defect(flaws.debris((0.85, 0.75, 0.30))),
            "hole": Defect(flaws.hole((0.05, 0.06, 0.05), rim=0.12)),
        },
    )


def _granite() -> Surface:
    return Surface(
        training.granite,
        3.14,
        {
            "crack": Defect(flaws.crack((0.08, 0.07, 0.07), width=1.5, wander=0.55)),
            "scratch": Defect(flaws.scratch(bright=True)),
            "stain": Defect(flaws.stain((0.55, 0.38, 0.12), strength=0.95)),
            "chip": Defect(flaws.hole((0.88, 0.86, 0.84), rim=-0.2, radius=(5.0, 8.0))),
        },
    )


def surfaces_of(dataset: str) -> dict[str, Surface]:
    """The surfaces of ``textures`` or ``textures-auxiliary`` by category."""
    return _surfaces() if dataset == "textures" else _training_surfaces()
