"""Putting the slices of a streamed part together: it is recorded when all of its test images are scored."""

from __future__ import annotations

from gad.harness.store.records import PartRecord
from gad.harness.units import ScoreUnit


class Slices:
    """Holds what came home of parts that are not whole yet."""

    def __init__(self) -> None:
        self.held: dict[str, dict[int, PartRecord]] = {}
        self.failed: set[str] = set()

    def add(self, unit: ScoreUnit, record: PartRecord) -> PartRecord | None:
        """The part's record once it is whole, or as soon as one slice failed; None before and after."""
        if unit.slices == 1:
            return record
        if record.part_id in self.failed:
            return None
        if record.status == "failed":
            self.failed.add(record.part_id)
            self.held.pop(record.part_id, None)
            return record
        held = self.held.setdefault(record.part_id, {})
        held[unit.slice] = record
        if len(held) < unit.slices:
            return None
        del self.held[record.part_id]
        return _joined([held[number] for number in range(unit.slices)])


def _joined(records: list[PartRecord]) -> PartRecord:
    """One record of all slices in order; node and process are those of the first."""
    return records[0].model_copy(
        update={
            "sample_ids": tuple(name for record in records for name in record.sample_ids),
            "labels": tuple(label for record in records for label in record.labels),
            "defects": tuple(defect for record in records for defect in record.defects),
            "scores": tuple(score for record in records for score in record.scores),
            "attempts": max(record.attempts for record in records),
            "peak_memory_mb": max(record.peak_memory_mb for record in records),
            "started": min(record.started for record in records),
            "ended": max(record.ended for record in records),
            "seconds": sum(record.seconds for record in records),
        }
    )
