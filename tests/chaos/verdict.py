"""What became of the results after a fault: lost, duplicated, changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gad.harness.store import read

Scores = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Reference:
    """Scores and table of an undisturbed run."""

    scores: Scores
    table: list[dict[str, Any]]


@dataclass(frozen=True)
class Verdict:
    """``lost``: parts of the table that are missing, and part files that were there and went.
    ``duplicated``: (part, image) pairs recorded more than once, or not asked for. ``changed``: scores and
    table rows that are not those of the undisturbed run, to the last bit.
    """

    lost: int
    duplicated: int
    changed: int

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.changed)


def reference(results: Path) -> Reference:
    rows = _scores(results)
    return Reference({(part, sample): score for part, sample, score in rows}, table(results))


def judge(results: Path, expected: Reference, vanished: int = 0) -> Verdict:
    rows = _scores(results)
    found = {(part, sample): score for part, sample, score in rows}
    parts, wanted = {part for part, _ in found}, {part for part, _ in expected.scores}
    shared = found.keys() & expected.scores.keys()
    rows_changed = sum(a != b for a, b in zip(table(results), expected.table, strict=False))
    return Verdict(
        lost=len(wanted - parts) + vanished,
        duplicated=len(rows) - len(found) + len(found.keys() - expected.scores.keys()),
        changed=sum(found[key] != expected.scores[key] for key in shared) + rows_changed,
    )


def table(results: Path) -> list[dict[str, Any]]:
    """Results by dataset, without what differs between two runs of the same grid."""
    return [{k: v for k, v in row.items() if k != "last_run"} for row in read.results(results)]


def _scores(results: Path) -> list[tuple[str, str, float]]:
    with read.connect(results) as connection:
        return connection.execute("SELECT part_id, sample_id, score FROM scores").fetchall()
