"""Live progress of a run: bars in a terminal, plain lines elsewhere, and a file for `harness status`."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gad.harness.estimate import spelled
from gad.harness.store import live

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

FILE_SECONDS = 1.0
LINE_SECONDS = 5.0
QUIET_SECONDS = 60.0  # without a line, while nothing ends


@dataclass
class Counts:
    """What is done of each stage. Images are decoded once; parts are scored, then recorded."""

    images_total: int
    parts_total: int
    trainings_total: int = 0
    images: int = 0
    trained: int = 0
    parts_done: int = 0
    parts_failed: int = 0
    recorded: int = 0
    scored_images: int = 0
    running_jobs: set[str] = field(default_factory=set)

    @property
    def parts_ended(self) -> int:
        return self.parts_done + self.parts_failed


class Progress:
    """Shows ``counts``; call :meth:`show` as often as you like."""

    def __init__(self, results: Path, run_id: str, counts: Counts) -> None:
        self.results, self.run_id, self.counts = results, run_id, counts
        self.started = time.monotonic()
        self.filed, self.lined = 0.0, -QUIET_SECONDS
        self.told: tuple[int, ...] = ()
        self.bars: RichProgress | None = None
        if sys.stderr.isatty():
            self._open_bars()
        self.show()

    def show(self, *, ended: bool = False, note: str = "") -> None:
        now = time.monotonic()
        if ended or now - self.filed >= FILE_SECONDS:
            self.filed = now
            live.write(self.results, self.run_id, self._fields(ended, note))
        if self.bars is not None:
            self._update_bars()
        elif ended or now - self.lined >= (QUIET_SECONDS if self.told == self._done() else LINE_SECONDS):
            self.lined, self.told = now, self._done()
            print(self.line(ended=ended), file=sys.stderr, flush=True)

    def close(self, note: str = "") -> None:
        self.show(ended=True, note=note)
        if self.bars is not None:
            self.bars.stop()

    def _done(self) -> tuple[int, ...]:
        c = self.counts
        return c.images, c.trained, c.parts_done, c.parts_failed, c.recorded

    @property
    def images_per_second(self) -> float:
        return self.counts.scored_images / max(time.monotonic() - self.started, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        ended = self.counts.parts_ended
        if not ended:
            return None
        return (time.monotonic() - self.started) / ended * (self.counts.parts_total - ended)

    def line(self, *, ended: bool = False) -> str:
        c, left = self.counts, None if ended else self.seconds_left
        remaining = "" if left is None else f"  about {spelled(left)} left"
        training = f"train {c.trained}/{c.trainings_total}  " if c.trainings_total else ""
        return (
            f"encode {c.images}/{c.images_total} images  {training}"
            f"score {c.parts_done} done, {c.parts_failed} failed of {c.parts_total} parts  "
            f"record {c.recorded}  {self.images_per_second:.0f} images/s{remaining}"
        )

    def _fields(self, ended: bool, note: str) -> dict[str, Any]:
        c = self.counts
        return {
            "ended": time.time() if ended else None,
            "note": note,
            "encode": {"done": c.images, "total": c.images_total},
            "train": {"done": c.trained, "total": c.trainings_total},
            "score": {"done": c.parts_done, "failed": c.parts_failed, "total": c.parts_total},
            "record": {"done": c.recorded, "total": c.parts_total},
            "images_per_second": self.images_per_second,
            "seconds": time.monotonic() - self.started,
            "seconds_left": self.seconds_left,
            "running_jobs": [] if ended else sorted(c.running_jobs),
        }

    def _open_bars(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self.bars = RichProgress(
            TextColumn("{task.description:<8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        c = self.counts
        self.rows = [
            self.bars.add_task(name, total=total, note="")
            for name, total in (
                ("encode", c.images_total),
                ("score", c.parts_total),
                ("record", c.parts_total),
            )
        ]
        self.bars.start()

    def _update_bars(self) -> None:
        assert self.bars is not None
        c, left = self.counts, self.seconds_left
        note = f"{c.parts_failed} failed  {self.images_per_second:.0f} images/s"
        if left is not None:
            note += f"  about {spelled(left)} left"
        encode, score, record = self.rows
        self.bars.update(encode, completed=c.images, note="images")
        self.bars.update(score, completed=c.parts_ended, note=note)
        self.bars.update(record, completed=c.recorded, note="parts")
