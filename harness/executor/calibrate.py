"""Measuring this machine: one part of every method on a few images, encoded and scored as a run would."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gad.harness import work as making
from gad.harness.estimate import Rates
from gad.harness.executor import trainings, trials
from gad.harness.executor.attempts import CHILDREN
from gad.harness.executor.decode import decode
from gad.harness.executor.encode import encode, encoder_key, encoder_of, open_store, torch_threads
from gad.harness.executor.inputs import Encodings, FeatureInputs, Inputs, PixelInputs
from gad.harness.executor.order import Order, looks_at_maps
from gad.harness.executor.score import score
from gad.harness.nouns import FeatureInput, ImageInput
from gad.harness.plan import Plan
from gad.harness.registry import Registry
from gad.harness.units import ScoreUnit, Work

IMAGES = 64  # of a test split; two of an encoder's batches


def measure(plan: Plan, order: Order, known: Registry, tell: Callable[[str], None]) -> Rates:
    """Rates of every method of ``plan``. Nothing is recorded or kept.

    ``plan`` is one with ``limits.test_images`` of at most IMAGES. A method whose training cannot be tried
    (:mod:`gad.harness.executor.trials`) is left out; ``tell`` is told why one failed.
    """
    torch_threads(order.threads)
    with tempfile.TemporaryDirectory() as folder:
        order = order.model_copy(update={"cache": folder})
        train = trials.seconds(plan, known, order, tell)
        work = making.make(_one_part_of_each(plan, Path(folder)), frozenset({"new"}), lambda _: True)
        given, rates = _encoded(work, Path(folder), order.threads, order.device)
        method = _scored(work, order, given)
    models = {part.method_key: part.model for unit in work.score for part in unit.parts}
    slowest: dict[str, float] = {}
    for key, rate in method.items():
        slowest[models[key]] = max(rate, slowest.get(models[key], 0.0))
    return Rates(
        origin="measured", device=order.device, encode=rates, method=method, model=slowest, train=train
    )


def _one_part_of_each(plan: Plan, cache: Path) -> Plan:
    """The plan with one part of each method new that needs no training or has one in the cache, and the others as
    if they were done."""
    chosen: dict[str, str] = {}
    for job, part in plan.parts():
        trained = not part.training or trainings.find(cache, part.training)
        if trained and plan.sources[job.dataset].prepared:
            chosen.setdefault(job.method_key, part.part_id)
    wanted = set(chosen.values())
    plan.states = {part: "new" if part in wanted else "done" for part in plan.states}
    return plan


def _encoded(work: Work, folder: Path, threads: int, device: str) -> tuple[dict[str, Any], dict[str, float]]:
    """What every chunk gives its scoring units, and seconds an image by backbone."""
    given: dict[str, Any] = {}
    spent: dict[str, tuple[float, int]] = {}
    for name, chunk in work.encode.items():
        backbone = ""
        if isinstance(chunk.input, FeatureInput):
            backbone = chunk.input.backbone
            encoder_of(chunk.input, threads, device)  # loading it is done once a worker
        started = time.perf_counter()
        given[name] = (
            decode(chunk)
            if isinstance(chunk.input, ImageInput)
            else encode(chunk, folder, threads, device).errors
        )
        seconds, images = spent.get(backbone, (0.0, 0))
        spent[backbone] = (seconds + time.perf_counter() - started, images + len(chunk.samples))
    return given, {name: seconds / images for name, (seconds, images) in spent.items() if images}


def _scored(work: Work, order: Order, given: dict[str, Any]) -> dict[str, float]:
    """Seconds an image by method key: scored twice, for starting a process is not part of it."""
    found: dict[str, float] = {}
    try:
        for unit in work.score:
            for _ in range(2):
                started = time.perf_counter()
                ended = list(score(unit, order, partial(_inputs, unit, work, given, order), {}))
                spent = time.perf_counter() - started
            records = [each.record for each in ended]
            shared = (spent - sum(record.seconds for record in records)) / len(records)
            for record in records:
                if record.status == "done":
                    found[record.method_key] = (record.seconds + shared) / len(unit.tests)
    finally:
        for child in CHILDREN.idle.values():
            child.close()
        CHILDREN.idle.clear()
    return found


def _inputs(unit: ScoreUnit, work: Work, given: dict[str, Any], order: Order, folder: Path) -> Inputs:
    if isinstance(unit.input, FeatureInput):
        key = encoder_key(encoder_of(unit.input, order.threads, order.device), unit.input.resize)
        errors = {digest: text for name in unit.chunks for digest, text in given[name].items()}
        store, maps = open_store(Path(order.cache)), looks_at_maps(unit, order)
        return FeatureInputs(folder, unit, Encodings(store, key, errors), maps=maps)
    images: dict[str, np.ndarray] = {}
    unreadable: dict[str, str] = {}
    for name in unit.chunks:
        pixels, errors = given[name]
        images.update(zip((s.digest for s in work.encode[name].samples), pixels, strict=True))
        unreadable.update(errors)
    return PixelInputs(folder, unit, images, unreadable)
