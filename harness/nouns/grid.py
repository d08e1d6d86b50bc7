"""What somebody asks for: models on datasets, within limits."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from gad.harness.nouns.frozen import Frozen
from gad.harness.nouns.inputs import GridResize, Precision


class ModelChoice(Frozen):
    """A model with every option spelled out (defaults filled in), as a grid asks for it."""

    name: str
    options: dict[str, Any]

    def on(self, backbone: str) -> ModelChoice:
        """This choice with an empty option ``backbone`` filled in; others are left as they are."""
        if self.options.get("backbone") != "":
            return self
        return self.model_copy(update={"options": {**self.options, "backbone": backbone}})

    @property
    def checkpoint(self) -> str:
        """Where its trained weights are given (a template), or empty."""
        return str(self.options.get("checkpoint") or "")


class Limits(Frozen):
    """What a part may cost, and how much of a test split is scored.

    ``part_seconds``: running time of one part. ``part_memory_gb``: resident memory of its process tree.
    ``training_seconds``: running time of one training, where it is not that of a part; its other limits are a part's.
    ``part_output_mb``: what it may print. ``test_images``: at most so many test images a category,
    drawn by hash with the label ratio kept (part of the column key); ``None`` is the whole split.
    """

    part_seconds: float = Field(default=3600, gt=0)
    part_memory_gb: float = Field(default=8, gt=0)
    part_output_mb: float = Field(default=64, gt=0)
    training_seconds: float | None = Field(default=None, gt=0)
    test_images: int | None = Field(default=None, ge=2)

    @property
    def of_training(self) -> Limits:
        """The limits of a training."""
        return self.model_copy(update={"part_seconds": self.training_seconds or self.part_seconds})


class Worst(Frozen):
    """Keep a part's most telling maps: of ``worst`` normal images with the highest scores, and of as many
    anomalous ones with the lowest."""

    worst: int = Field(ge=1, le=1_000_000)


ALL_MAPS = 2**31 - 1


def most_maps(wanted: Literal["none", "all"] | Worst) -> int:
    """How many maps of each label to keep, so that less is part of more: 0 is none, ``ALL_MAPS`` all."""
    return wanted.worst if isinstance(wanted, Worst) else {"none": 0, "all": ALL_MAPS}[wanted]


def spelled_shots(shots: int) -> str:
    """K as every table and page writes it: a detector that is shown nothing says so.

    >>> spelled_shots(0), spelled_shots(4)
    ('0 (zero-shot)', '4')
    """
    return str(shots or "0 (zero-shot)")


class Grid(Frozen):
    """What to run: every combination of the axes is a job.

    ``prompts`` names a prompt file for some datasets (:mod:`gad.harness.promptfiles`): there its sets take
    the place of what ``seeds`` would draw. ``maps``: which anomaly maps are kept, of models that give any;
    it changes no score, and so no key. ``pixel_metrics``: whether metrics of maps against masks are computed,
    where there are both; likewise in no key.
    """

    name: str
    models: tuple[ModelChoice, ...]
    datasets: tuple[str, ...]
    shots: tuple[int, ...]
    seeds: tuple[int, ...] = ()
    training_seeds: tuple[int, ...] = (10,)
    prompts: dict[str, str] = Field(default_factory=dict)
    auxiliary: dict[str, str] = Field(default_factory=dict)
    backbone: str = ""
    precision: Precision = "fp32"
    resize: GridResize = "crop"
    maps: Literal["none", "all"] | Worst = "none"
    pixel_metrics: bool = False
    limits: Limits = Limits()
