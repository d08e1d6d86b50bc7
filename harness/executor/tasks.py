"""The Ray tasks: thin wrappers that add where and when to what encode and score do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ray

from gad.harness.executor.encode import encode
from gad.harness.executor.score import Order, score
from gad.harness.store.records import PartRecord, TaskRecord
from gad.harness.units import EncodeUnit, ScoreUnit

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
def encode_task(unit: EncodeUnit, run_id: str, driver: int) -> tuple[Any, Any]:
    """The pixels stay in Ray's object store; errors and the record go home to the driver."""
    started = time.time()
    pixels, errors = encode(unit)
    record = _task(
        "encode", run_id, driver, started, dataset=unit.dataset, category="", images=len(unit.samples)
    )
    return pixels, (errors, record)


@ray.remote(num_cpus=1, num_returns="streaming", max_retries=RETRIES, scheduling_strategy="SPREAD")
def score_task(
    unit: ScoreUnit, order: Order, driver: int, chunks: list[tuple[str, ...]], *encoded: Any
) -> Iterator[PartRecord | TaskRecord]:
    """Yields a PartRecord as each part ends, then one TaskRecord.

    ``chunks`` lists the image digests of each encoded chunk; ``encoded`` alternates pixels and
    (errors, record) as :func:`encode_task` returned them.
    """
    started = time.time()
    images: dict[str, np.ndarray] = {}
    errors: dict[str, str] = {}
    for digests, pixels, (failed, _) in zip(chunks, encoded[::2], encoded[1::2], strict=True):
        images.update(zip(digests, pixels, strict=True))
        errors.update(failed)
    order = order.model_copy(update={"node": ray.get_runtime_context().get_node_id()})
    yield from score(unit, order, images, errors)
    yield _task(
        "score",
        order.run_id,
        driver,
        started,
        dataset=unit.dataset,
        category=unit.category,
        model=unit.model,
        images=len(unit.tests) * len(unit.parts),
        parts=len(unit.parts),
    )


@ray.remote(num_cpus=0, max_retries=0)
def probe_task(files: list[str]) -> tuple[str, str, list[str]]:
    """A node's package version and code digest, and which of ``files`` it cannot see."""
    from gad.harness.version import code_digest, version

    return version(), code_digest(), [file for file in files if not Path(file).exists()]
