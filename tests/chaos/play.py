"""Injecting one fault, running the same command again, and judging what is there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from chaos import disks, faults
from chaos.stage import Stage, TooLate
from chaos.verdict import Reference, Verdict, judge

TRIES = 5


@dataclass(frozen=True)
class Played:
    """``seconds``: from the fault until the table was whole again."""

    name: str
    verdict: Verdict
    seconds: float


def play(name: str, stage: Stage, random: Random, expected: dict[str, Reference]) -> Played:
    """Inject a fault until it strikes in time. Raises NotHere where the machine does not allow it."""
    fault, grid = faults.ALL[name]
    for _ in range(TRIES):
        if name in faults.FINISHED and stage.whole == grid:
            stage.again(grid)  # what the last fault left was judged, and is whole
        else:
            stage.fresh(grid)
            if name in faults.FINISHED:
                stage.finish()
        stage.whole = ""
        try:
            return strike(name, fault, stage, random, expected[grid])
        except TooLate:
            stage.wait()
        finally:
            stage.restore()
            while stage.mounted:
                disks.unmount(stage.mounted.pop())
    raise AssertionError(f"{name}: {TRIES} times the command had ended before it could be disturbed")


def strike(name: str, fault: faults.Fault, stage: Stage, random: Random, expected: Reference) -> Played:
    """One fault on the stage as it is; the same command afterwards, and what it made of it."""
    fault(stage, random)
    codes = stage.wait()
    kept = stage.segments()
    stage.restore()
    assert "Traceback" not in stage.said, f"{name}:\n{stage.said}"
    if not codes or any(codes):
        stage.finish()
    seconds = time.monotonic() - stage.injected
    if not stage.mounted:
        stage.whole = stage.grid
    vanished = len(kept - stage.segments() - stage.harmed)
    return Played(name, judge(Path(stage.bench.results), expected, vanished), seconds)
