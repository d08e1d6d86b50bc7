"""The driver: hands units to Ray, takes records home, writes them down. It encodes and scores nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import ray

from gad.harness.errors import StoreError
from gad.harness.executor.ended import Ended, failed, measured, record_of
from gad.harness.executor.order import Order
from gad.harness.executor.progress import Progress
from gad.harness.executor.recorder import Recorder
from gad.harness.executor.slices import Slices
from gad.harness.executor.stopping import Stop
from gad.harness.executor.tasks import encode_task, measure_task, score_task, train_task
from gad.harness.nouns import FeatureInput, ImageInput
from gad.harness.store.records import PartRecord
from gad.harness.units import ENCODERS_PER_GPU, ScoreUnit, Work

WAIT_SECONDS = 0.25
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def gpu_share(wanted: ImageInput | FeatureInput, device: str) -> float:
    """The share of a GPU that an encode task asks Ray for: none where images are only decoded."""
    return 1 / ENCODERS_PER_GPU if device == "cuda" and isinstance(wanted, FeatureInput) else 0.0


@dataclass
class _Running:
    """A scoring task in flight, and which of its parts have come home."""

    unit: ScoreUnit
    alone: bool = False
    ended: set[str] = field(default_factory=set)


@dataclass
class Driver:
    """Runs ``work`` as ``order`` says; ``jobs_of`` names the jobs that want a part.

    More than ``max_failures`` failed parts stop it like an interrupt: what runs is finished.
    """

    work: Work
    order: Order
    jobs_of: Callable[[str], set[str]]
    progress: Progress
    recorder: Recorder
    max_failures: float | None = None

    def run(self, cpus: int, stop: Stop) -> None:
        """Score everything that is asked for, a few units ahead of the workers."""
        self.waiting = deque((unit, False) for unit in self.work.score)
        self.uses = Counter(chunk for unit in self.work.score for chunk in unit.chunks)
        self.uses.update(chunk for unit in self.work.train.values() for chunk in unit.chunks)
        self.encoded: dict[str, list[Any]] = {}
        self.trained: dict[str, Any] = {}
        self.training: dict[Any, str] = {}  # those in flight
        self.seen: dict[Any, str] = {}
        self.running: dict[Any, _Running] = {}
        self.slices = Slices()
        self.measuring: dict[Any, Ended] = {}
        ahead = 2 * max(cpus, 1) + 2
        while self.running or self.measuring or (self.waiting and not stop.asked):
            while self.waiting and len(self.running) < ahead and not stop.asked:
                self._submit(*self.waiting.popleft())
            if stop.asked > 1:
                break
            self._collect()
            if self.max_failures is not None and self.progress.counts.parts_failed > self.max_failures:
                stop.asked = max(stop.asked, 1)
            self.recorder.flush_if_due()
            self._show()

    def _submit(self, unit: ScoreUnit, alone: bool) -> None:
        needed = dict.fromkeys(part.training for part in unit.parts if part.training in self.work.train)
        trained = [self._train(name) for name in needed]
        flat = self._chunks(unit.chunks)
        stream = score_task.remote(unit, self.order, os.getpid(), len(trained), *trained, *flat)
        self.running[stream] = _Running(unit, alone)

    def _chunks(self, chunks: tuple[str, ...]) -> list[Any]:
        """References to encoded chunks, three each; a chunk that nobody asked for yet is submitted."""
        for chunk in chunks:
            if chunk not in self.encoded:
                part = ray.put(self.work.encode[chunk])
                share = gpu_share(self.work.encode[chunk].input, self.order.device)
                task = encode_task.options(num_gpus=share) if share else encode_task
                refs = task.remote(part, self.order, os.getpid())
                self.encoded[chunk] = [part, *refs]
                self.seen[refs[1]] = chunk
        return [ref for chunk in chunks for ref in self.encoded[chunk]]

    def _train(self, name: str) -> Any:
        """The reference of a training, submitted by the first unit that needs it."""
        if name not in self.trained:
            unit = self.work.train[name]
            self.trained[name] = train_task.remote(unit, self.order, os.getpid(), *self._chunks(unit.chunks))
            self.training[self.trained[name]] = name
        return self.trained[name]

    def _collect(self) -> None:
        """Take home whatever has come in."""
        pending = [*self.running, *self.seen, *self.training, *self.measuring]
        ready, _ = ray.wait(pending, num_returns=1, timeout=WAIT_SECONDS, fetch_local=False)
        if ready:
            ready, _ = ray.wait(pending, num_returns=len(pending), timeout=0, fetch_local=False)
        for item in ready:
            if item in self.seen:
                self._encoded(item)
            elif item in self.training:
                self._learned(item)
            elif item in self.measuring:
                self._measured(item)
            else:
                self._take(item)

    def _encoded(self, reference: Any) -> None:
        """An encode task is done."""
        chunk = self.seen.pop(reference)
        with contextlib.suppress(ray.exceptions.RayError):  # its scoring tasks will report the same error
            self.recorder.add(ray.get(reference).record)
        self.progress.counts.images += len(self.work.encode[chunk].samples)

    def _learned(self, reference: Any) -> None:
        """A training is done."""
        name = self.training.pop(reference)
        with contextlib.suppress(ray.exceptions.RayError):
            self.recorder.add(ray.get(reference).record)
        self.progress.counts.trained += 1
        self._used(self.work.train[name].chunks)

    def _take(self, stream: Any) -> None:
        running = self.running[stream]
        try:
            found = ray.get(next(stream))
        except StopIteration:
            self._finished(stream)
        except ray.exceptions.RayError as error:
            self._lost(stream, error)
        else:
            if isinstance(found, Ended):
                self._ended(running, found)
            else:
                self.recorder.add(found)

    def _ended(self, running: _Running, ended: Ended) -> None:
        if ended.record.part_id in running.ended:
            return  # a task that was run again after its node was lost repeats what came home before
        running.ended.add(ended.record.part_id)
        whole = self.slices.add(running.unit, ended)
        if whole is None:
            return
        if whole.pixels is not None and whole.record.status == "done":
            self.measuring[measure_task.remote(whole.pixels)] = replace(whole, pixels=None)
        else:
            self._record(whole)

    def _measured(self, reference: Any) -> None:
        """The pixel metrics of a part in slices have come home."""
        whole = self.measuring.pop(reference)
        try:
            result = ray.get(reference)
        except ray.exceptions.RayError as error:
            result = str(error)
        if isinstance(result, str):
            whole = Ended(failed(whole.record, "PixelMetricsFailed", TERMINAL_COLOUR.sub("", result)[:4000]))
        else:
            whole = replace(whole, record=measured(whole.record, result))
        self._record(whole)

    def _record(self, whole: Ended) -> None:
        self.recorder.add(whole.record, whole.kept)
        counts = self.progress.counts
        if whole.record.status == "done":
            counts.parts_done += 1
            counts.scored_images += len(whole.record.scores)
        else:
            counts.parts_failed += 1

    def _finished(self, stream: Any) -> None:
        self._used(self.running.pop(stream).unit.chunks)

    def _used(self, chunks: tuple[str, ...]) -> None:
        """Forget chunks whose last unit is done: their pixels are freed."""
        for chunk in chunks:
            self.uses[chunk] -= 1
            if not self.uses[chunk]:
                del self.encoded[chunk]

    def _lost(self, stream: Any, error: Exception) -> None:
        """A task that Ray gave up on: its unfinished parts run again alone; one lost again has failed.

        No room on a disk, or no right to it, is nobody's failure: the run stops, and nothing is recorded against
        a part.
        """
        cause = getattr(error, "cause", None)
        if isinstance(cause, OSError) and cause.errno in NO_ROOM:
            raise StoreError(
                f"a worker cannot use its disk: {cause}",
                fix="Make room or mend the folder, then run the same command: finished parts are kept.",
            )
        running = self.running[stream]
        left = [part for part in running.unit.parts if part.part_id not in running.ended]
        for part in left:
            unit = running.unit.model_copy(update={"parts": (part,)})
            if running.alone:
                self._ended(running, Ended(_lost_record(unit, self.order.run_id, error)))
            else:
                self.uses.update(unit.chunks)
                self.waiting.append((unit, True))
        self._finished(stream)

    def _show(self) -> None:
        counts = self.progress.counts
        counts.recorded = self.recorder.written
        counts.running_jobs = {
            job
            for running in self.running.values()
            for part in running.unit.parts
            if part.part_id not in running.ended
            for job in self.jobs_of(part.part_id)
        }
        self.progress.show()


def _lost_record(unit: ScoreUnit, run_id: str, error: Exception) -> PartRecord:
    part = unit.parts[0]
    # A Python error in a task comes wrapped in Ray's own coloured report: keep the error itself in front.
    cause = getattr(error, "cause", None) or error
    return record_of(
        unit,
        part,
        run_id,
        "failed",
        attempts=2,
        error_type=type(cause).__name__,
        error=str(cause).strip()[:4000],
        traceback=TERMINAL_COLOUR.sub("", str(error))[-16000:],
        started=time.time(),
    )
