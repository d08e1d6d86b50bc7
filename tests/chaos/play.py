"""Injecting faults, running the same command again, and judging what is there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from chaos import disks, faults
from chaos.stage import Stage, TooLate
from chaos.verdict import Reference, Verdict, judge, reference

TRIES = 5


@dataclass(frozen=True)
class Played:
    """``seconds``: from each fault that struck until the table was whole again."""

    verdict: Verdict
    seconds: list[tuple[str, float]]


def play(group: tuple[str, ...], stage: Stage, random: Random, expected: Reference) -> Played:
    """Inject a group of faults, as many of them as strike in time, at least one.

    Raises NotHere where the machine does not allow it.
    """
    grid, finished = faults.ALL[group[0]][1], group[0] in faults.FINISHED
    for _ in range(TRIES):
        if finished and stage.whole == grid:
            stage.again(grid)  # what the last fault left was judged, and is whole
        else:
            stage.fresh(grid)
            if finished:
                stage.finish()
        stage.whole = ""
        try:
            return _strike(group, stage, random, expected)
        except TooLate:
            stage.wait()
        finally:
            stage.restore()
            while stage.mounted:
                disks.unmount(stage.mounted.pop())
    raise AssertionError(f"{group}: {TRIES} times the command had ended before it could be disturbed")


def _strike(group: tuple[str, ...], stage: Stage, random: Random, expected: Reference) -> Played:
    """The faults on the stage as it is; the same command afterwards, and what it made of it."""
    when = _inject(group, stage, random)
    codes = stage.wait()
    kept = stage.segments()
    stage.restore()
    if not codes or any(codes):
        stage.finish()
    ended = time.monotonic()
    assert "Traceback" not in stage.said, f"{group}:\n{stage.said}"
    assert not stage.unnamed, f"{group}: nothing was said of {stage.unnamed}:\n{stage.said}"
    if not stage.mounted:
        stage.whole = stage.grid
    vanished = len(kept - stage.segments() - stage.harmed)
    verdict = judge(Path(stage.bench.results), expected, vanished)
    return Played(verdict, [(name, ended - moment) for name, moment in when])


def _inject(group: tuple[str, ...], stage: Stage, random: Random) -> list[tuple[str, float]]:
    """When each fault struck. Several in one run come in a random order, until it has ended (or nothing is left that
    the next could harm)."""
    stage.shared = len(group) > 1
    when: list[tuple[str, float]] = []
    try:
        for name in random.sample(group, len(group)):
            faults.ALL[name][0](stage, random)
            when.append((name, stage.injected))
    except TooLate:
        if not when:
            raise
    finally:
        stage.shared = False
    return when


def undisturbed(grid: str, stage: Stage) -> Reference:
    """The results that every run of a grid has to end with; they are left in the folder."""
    stage.fresh(grid)
    stage.finish()
    stage.whole = grid
    return reference(stage.bench.results)
