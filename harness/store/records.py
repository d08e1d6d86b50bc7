"""What one finished or failed part, and one executed task, leave behind."""

from __future__ import annotations

from typing import Literal

from gad.harness.nouns import Frozen


class PartRecord(Frozen):
    """A part as it is stored: self-contained, so that the database can be rebuilt from files alone.

    ``scores`` are float64 in the order of ``sample_ids``, empty for a failed part. Times are seconds
    since 1970 (UTC); ``seconds`` is the scoring time of this part alone.
    """

    part_id: str
    status: Literal["done", "failed"]
    run_id: str
    dataset: str
    category: str
    model: str
    options: str
    shots: int
    seed: int
    training_seed: int | None = None
    method_key: str
    prompts: tuple[str, ...]
    sample_ids: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()
    defects: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    attempts: int = 1
    error_type: str = ""
    error: str = ""
    traceback: str = ""
    output: str = ""
    node: str = ""
    pid: int = 0
    threads: int = 1
    peak_memory_mb: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    seconds: float = 0.0


class TaskRecord(Frozen):
    """One Ray task: where it ran, when, and on what. ``pid`` is the process that ran it."""

    task_id: str
    run_id: str
    stage: Literal["encode", "train", "score"]
    dataset: str
    category: str
    model: str = ""
    node: str
    node_ip: str
    pid: int
    driver_pid: int
    started: float
    ended: float
    images: int = 0
    parts: int = 0
