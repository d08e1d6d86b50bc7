"""What a grid expands to: jobs, their parts, and the trainings that they share."""

from __future__ import annotations

from typing import Literal

from gad.harness.nouns.data import Protocol
from gad.harness.nouns.frozen import Frozen
from gad.harness.nouns.grid import ModelChoice

Status = Literal["planned", "running", "done", "failed", "skipped"]


class Part(Frozen):
    """A job's share of one category. ``prompts`` are sample ids, in order; ``training`` an id, or empty."""

    part_id: str
    category: str
    text: str
    prompts: tuple[str, ...]
    training: str = ""


class Training(Frozen):
    """One training of a method on an auxiliary set, shared by every job that wants it.

    ``shots`` is 0 where it serves every K. ``trains_on`` is the card's. With a ``checkpoint`` (a file) it was done
    elsewhere and is only read.
    """

    training_id: str
    model: ModelChoice
    method_key: str
    auxiliary: str
    shots: int
    training_seed: int
    trains_on: Literal["all", "normals"] = "all"
    checkpoint: str = ""


class Job(Frozen):
    """One (model with options, dataset, K, seed). ``invalid`` says why it cannot run, or is empty."""

    job_id: str
    model: ModelChoice
    dataset: str
    protocol: Protocol
    shots: int
    seed: int
    training_seed: int | None = None
    method_key: str
    column_key: str
    parts: tuple[Part, ...] = ()
    invalid: str = ""

    @property
    def name(self) -> str:
        name = f"{self.model.name}/{self.dataset}/K{self.shots}/seed{self.seed}"
        return name if self.training_seed is None else f"{name}/training{self.training_seed}"
