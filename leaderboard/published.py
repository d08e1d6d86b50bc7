"""Figures that others published, and figures that others measured when they ran published methods.

Both come from files that ship beside this module, and from nowhere else; what is not in them stays blank.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# How many runs a source's mean and std are over, where its paper says so. Elsewhere one is assumed, which
# makes the error of its mean larger, never smaller.
RUNS_BEHIND = {"InCTRL (CVPR 2024)": 3}


@dataclass(frozen=True)
class Cited:
    """One figure of somebody else's: ``value`` a fraction, ``std`` where it was given, ``n`` runs behind it.

    ``about`` says what was run; ``dataset`` is a dataset's id, or ``dataset/category``.
    """

    who: str
    method: str
    dataset: str
    shots: int
    metric: str
    value: float
    std: float | None
    n: int
    about: str
    url: str

    @property
    def words(self) -> str:
        """What to say of it on hover."""
        spread = "" if self.std is None else f" ± {self.std:.3f}"
        runs = f", {self.n} runs" if self.n > 1 else ""
        return f"{self.value:.3f}{spread}: {self.who}{runs}\n{self.about}\n{self.url}"


@lru_cache(maxsize=1)
def published() -> tuple[Cited, ...]:
    """Every published figure, in the file's order."""
    return tuple(
        Cited(
            who=row["source"],
            method=row["method"],
            dataset=row["dataset"],
            shots=int(row["shots"]),
            metric=row["metric"],
            value=float(row["mean"]),
            std=float(row["std"]) if row["std"] else None,
            n=next((n for name, n in RUNS_BEHIND.items() if row["source"].startswith(name)), 1),
            about=row["note"],
            url=row["url"],
        )
        for row in _rows("published.csv")
    )


@lru_cache(maxsize=1)
def reruns() -> tuple[Cited, ...]:
    """What others measured, in the file's order."""
    return tuple(
        Cited(
            who=row["who"],
            method=row["method"],
            dataset=row["dataset"],
            shots=int(row["shots"]),
            metric=row["metric"],
            value=float(row["value"]),
            std=None,
            n=1,
            about=row["what_was_run"],
            url=row["url"],
        )
        for row in _rows("reruns.csv")
    )


def _rows(name: str) -> Iterable[dict[str, str]]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def at(figures: Iterable[Cited], *, shots: int, metric: str) -> dict[tuple[str, str], list[Cited]]:
    """Figures of one K and metric by (model, dataset), the best documented first.

    One with a spread goes before one without; else the file's order stands.

    >>> [found.who for found in at(published(), shots=4, metric="auroc")["inctrl", "visa"]]
    ['InCTRL (CVPR 2024), main AUROC table', 'ResAD (NeurIPS 2024), table 1']
    """
    found: dict[tuple[str, str], list[Cited]] = {}
    for figure in figures:
        if (figure.shots, figure.metric) == (shots, metric):
            found.setdefault((model_of(figure.method), figure.dataset), []).append(figure)
    return {key: sorted(of_key, key=lambda figure: figure.std is None) for key, of_key in found.items()}


def model_of(method: str) -> str:
    """The id that a published method has here.

    >>> model_of("WinCLIP")
    'winclip'
    """
    return method.lower()
