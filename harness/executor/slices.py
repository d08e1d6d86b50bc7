"""Putting the slices of a streamed part together: it is recorded when all of its test images are scored."""

from __future__ import annotations

from gad.harness.executor.ended import Ended, joined
from gad.harness.units import ScoreUnit


class Slices:
    """Holds what came home of parts that are not whole yet."""

    def __init__(self) -> None:
        self.held: dict[str, dict[int, Ended]] = {}
        self.failed: set[str] = set()

    def add(self, unit: ScoreUnit, ended: Ended) -> Ended | None:
        """The part once it is whole, or as soon as one slice failed; None before and after."""
        record = ended.record
        if unit.slices == 1:
            return ended
        if record.part_id in self.failed:
            return None
        if record.status == "failed":
            self.failed.add(record.part_id)
            self.held.pop(record.part_id, None)
            return ended
        held = self.held.setdefault(record.part_id, {})
        held[unit.slice] = ended
        if len(held) < unit.slices:
            return None
        del self.held[record.part_id]
        return joined([held[number] for number in range(unit.slices)])
