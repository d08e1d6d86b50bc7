"""Texts of grids, right and wrong ones, and the models and datasets that they may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, model_validator

from gad.harness.errors import GridError
from gad.harness.gridfile import Known, parse
from gad.harness.nouns import DatasetInfo, Frozen, Grid, ImageInput, ModelInfo

Case = tuple[str, list[str]]  # a wrong grid, and how each of its problems begins


class Options(Frozen):
    size: int = Field(default=16, ge=1, le=64)
    mode: Literal["mean", "max"] = "mean"
    rate: float = Field(default=0.001, gt=0)
    layers: tuple[int, ...] = (7, 9)
    centre: bool = False
    note: str | None = None

    @model_validator(mode="after")
    def _together(self) -> Options:
        if self.centre and self.mode == "max":
            raise ValueError("centre needs mode 'mean'")
        return self


class Needs(Frozen):
    weights: str


class Empty(Frozen):
    pass


class Buggy(Frozen):
    size: int = 1

    @model_validator(mode="after")
    def _bug(self) -> Buggy:
        raise RuntimeError("oh\x1b[31m no")


def model(name: str, options: type[Any] = Options, min_shots: int = 1) -> ModelInfo:
    return ModelInfo(
        name=name,
        title=name,
        summary="",
        adapter="a:B",
        options=options,
        inputs=lambda options: ImageInput(size=8),
        min_shots=min_shots,
    )


def dataset(name: str, *, auxiliary_only: bool = False) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        title=name,
        protocol="industrial",
        licence="",
        citation="",
        builder="a:b",
        auxiliary_only=auxiliary_only,
    )


MODELS = [
    model("pixel-knn"),
    model("pixel-gaussian"),
    model("clip-text", Empty, min_shots=0),
    model("needy", Needs),
    model("buggy", Buggy),
]
DATASETS = [dataset(n) for n in ("digits-one-vs-all", "digits-multi-class", "textures", "mvtec", "visa")]
DATASETS.append(dataset("textures-auxiliary", auxiliary_only=True))
KNOWN = Known({m.name: m for m in MODELS}, {d.name: d for d in DATASETS})
DEFAULTS = {"size": 16, "mode": "mean", "rate": 0.001, "layers": [7, 9], "centre": False, "note": None}
GOOD = {"models": "[pixel-knn]", "datasets": "[textures]", "shots": "[2]", "seeds": "[0]"}


def text(**changed: str | None) -> str:
    """A right grid of four lines (models, datasets, shots, seeds), with some keys changed, added, removed."""
    return "".join(f"{key}: {value}\n" for key, value in (GOOD | changed).items() if value is not None)


def problems(source: str, folder: Path = Path("/nowhere")) -> tuple[str, ...]:
    with pytest.raises(GridError) as caught:
        parse(source, KNOWN, file="grid.yaml", folder=folder)
    assert caught.value.exit_code == 2
    assert caught.value.problems
    return caught.value.problems


def read(source: str, folder: Path = Path("/nowhere")) -> Grid:
    return parse(source, KNOWN, file="grid.yaml", folder=folder)


def check_told(source: str, expected: list[str]) -> None:
    """Each expected beginning, the line included (``7: shots[2]: ...``), is that of a problem of the grid."""
    found = problems(source)
    for fragment in expected:
        start = f"grid.yaml:{fragment}"
        assert any(problem.startswith(start) for problem in found), "\n".join(found)
    for problem in found:
        assert problem.isprintable()
        assert len(problem) < 600


def complete(cases: list[Case]) -> list[Case]:
    """Those that name every problem of their grid."""
    return [
        case for case in cases if "required" not in case[1][0] and case[0].startswith("models: [pixel-knn]")
    ]
