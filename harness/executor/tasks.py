"""The Ray tasks: thin wrappers that add where and when to what encode and score do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray

from gad.harness import tiles
from gad.harness.errors import DataError
from gad.harness.executor import trainings
from gad.harness.executor.decode import decode
from gad.harness.executor.encode import Encoding, encode
from gad.harness.executor.encoded import Chunks, Encoded
from gad.harness.executor.ended import Ended
from gad.harness.executor.given import bring
from gad.harness.executor.order import Order
from gad.harness.executor.passes import Seconds
from gad.harness.executor.pixels import Pixels, View, measure
from gad.harness.executor.score import score
from gad.harness.nouns import Frozen, ImageInput, PixelResult
from gad.harness.store.records import TaskRecord
from gad.harness.units import EncodeUnit, ScoreUnit, TrainUnit, source_name

# A lost worker or node is retried by Ray; a Python error is not, for it would only happen again.
RETRIES = 3


def _task(stage: Any, run_id: str, driver: int, started: float, **fields: Any) -> TaskRecord:
    context = ray.get_runtime_context()
    return TaskRecord(
        task_id=f"{context.get_task_id()}-{os.getpid()}-{started:.6f}",
        run_id=run_id,
        stage=stage,
        node=context.get_node_id(),
        node_ip=ray.util.get_node_ip_address(),
        pid=os.getpid(),
        driver_pid=driver,
        started=started,
        ended=time.time(),
        **fields,
    )


@ray.remote(num_cpus=1, num_returns=2, max_retries=RETRIES, scheduling_strategy="SPREAD")
def encode_task(unit: EncodeUnit, order: Order, driver: int) -> tuple[Any, Encoded]:
    """Pixels and features that are not kept stay in Ray's object store; the rest goes home."""
    started = time.time()
    rows: Any
    if isinstance(unit.input, ImageInput):
        rows, errors = decode(unit)
        # There is no encoder to pass through.
        took = Seconds(decode=time.time() - started, passes=0.0)
        done = Encoding("", unit.input, (0, 0), errors, len(unit.samples), took)
    else:
        done = encode(unit, Path(order.cache), order.threads, order.device, halves=True)
        rows = done.rows
    record = _task(
        "encode",
        order.run_id,
        driver,
        started,
        dataset=unit.dataset,
        category="",
        model="" if isinstance(unit.input, ImageInput) else unit.input.backbone,
        images=done.count,
        source=source_name(unit.input.model_dump(mode="json")),
        decode_seconds=done.seconds.decode,
        pass_seconds=done.seconds.passes,
        window_seconds=done.seconds.windows,
    )
    ended = Encoded(
        record=record,
        seen=done.seen,
        errors=done.errors,
        encoder=done.key,
        parameters=done.parameters,
        halved=done.halved,
    )
    return rows, ended


class Trained(Frozen):
    """How a training ended: ``error`` is empty when its checkpoint is in the cache."""

    training_id: str
    record: TaskRecord
    error: str = ""


@ray.remote(num_cpus=1, max_retries=RETRIES)
def train_task(unit: TrainUnit, order: Order, driver: int, *chunks: Any) -> Trained:
    """Train once; ``chunks`` are the auxiliary set's, as for :func:`score_task`."""
    started = time.time()
    error, images = "", len(unit.samples)
    if trainings.find(Path(order.cache), unit.unit_id) is None and unit.checkpoint:
        error = bring(unit, order)
    elif trainings.find(Path(order.cache), unit.unit_id) is None:
        error = Chunks(chunks, order).train(unit)
    else:
        images = 0  # another run did it meanwhile
    record = _task(
        "train",
        order.run_id,
        driver,
        started,
        dataset=unit.dataset,
        category="",
        model=unit.model,
        images=images,
    )
    return Trained(training_id=unit.unit_id, record=record, error=error)


@ray.remote(num_cpus=1, num_returns="streaming", max_retries=RETRIES, scheduling_strategy="SPREAD")
def score_task(
    unit: ScoreUnit, order: Order, driver: int, trained: int, *given: Any
) -> Iterator[Ended | TaskRecord]:
    """Yields what came of each part as it ends, then one TaskRecord.

    ``given`` starts with so many ``trained``, and then repeats (encode unit, pixels or rows or None,
    Encoded) for each encoded chunk of the unit.
    """
    started = time.time()
    untrained = {ended.training_id: ended.error for ended in given[:trained] if ended.error}
    order = order.model_copy(update={"node": ray.get_runtime_context().get_node_id()})
    chunks = Chunks(given[trained:], order)
    view = View(root=unit.root, seen=tiles.whole(chunks.ended[0].seen, unit.input))
    yield from score(unit, order, lambda folder: chunks.inputs(folder, unit), untrained, view)
    yield _task(
        "score",
        order.run_id,
        driver,
        started,
        dataset=unit.dataset,
        category=unit.category,
        model=", ".join(dict.fromkeys(part.model for part in unit.parts)),
        images=len(unit.tests) * len(unit.parts),
        parts=len(unit.parts),
    )


@ray.remote(num_cpus=1, max_retries=RETRIES)
def measure_task(pixels: Pixels) -> PixelResult | str:
    """Pixel metrics of a part that was scored in slices, or what is wrong with its masks."""
    try:
        return measure(pixels)
    except DataError as error:
        return str(error)


@ray.remote(num_cpus=0, max_retries=0)
def gpu_task() -> bool:
    """Whether torch sees the GPU that Ray gave to this task."""
    import torch

    return torch.cuda.is_available()


@ray.remote(num_cpus=0, max_retries=0)
def probe_task(files: list[str], models: list[str]) -> tuple[str, dict[str, str], list[str]]:
    """A node's version, digests of its code (the harness's and the models'), and files it cannot see."""
    from gad.harness.version import code_digests, version

    return version(), code_digests(models), [file for file in files if not Path(file).exists()]
