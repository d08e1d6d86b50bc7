"""What one finished or failed part, and one executed task, leave behind."""

from __future__ import annotations

from typing import Literal

from gad.harness.nouns import Frozen


class PartRecord(Frozen):
    """A part as it is stored: self-contained, so that the database can be rebuilt from files alone.

    ``scores`` are float64 in the order of ``sample_ids``, empty for a failed part. Times are seconds
    since 1970 (UTC).

    ``maps_most``: how many maps of each label were asked for (:func:`gad.harness.nouns.most_maps`); ``maps``
    names their file, empty if there are none (a model that gives none). ``pixel_asked``: whether pixel
    metrics were; they are None where the model gives no maps or masks are missing.

    What it cost: ``seconds`` of preparing and scoring in the adapter's process; ``input_seconds`` of reading
    its features and deriving what is shared of them, as if no other part had shared it; ``source`` names
    what its images had to meet before (an encoder, or being decoded to a size), ``windowed`` whether also
    window by window: what that took is with the encode tasks of that source. ``parameters``: of the encoder
    and what was trained; ``peak_memory_mb`` of the adapter's process so far.

    ``halved_batch``: the batch size of a part that ran out of memory with its method's own, or whose encoder did
    with its (the last bits of its scores may be others), else 0.
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
    halved_batch: int = 0
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
    input_seconds: float = 0.0
    source: str = ""
    windowed: bool = False
    parameters: int | None = None
    maps_most: int = 0
    maps: str = ""
    pixel_asked: bool = False
    pixel_auroc: float | None = None
    pixel_auprc: float | None = None
    pixel_aupro: float | None = None


class TaskRecord(Frozen):
    """One Ray task: where it ran, when, and on what. ``pid`` is the process that ran it.

    ``model`` is the backbone of an encode task (empty where images were only decoded), the models of others.
    Of an encode task: ``source`` as in PartRecord; ``images`` that were encoded (or decoded), and the seconds
    that all of them took to be decoded, to pass through the encoder, and to pass through it window by
    window. None where that was not done: not asked for, or in the store already; 0 where there is none.
    """

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
    source: str = ""
    decode_seconds: float | None = None
    pass_seconds: float | None = None
    window_seconds: float | None = None
