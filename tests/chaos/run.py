"""`make chaos`: every fault several times, then the table.

python tests/chaos/run.py [--runs 5] [--seed 0] [--only WORD] [--log FILE] [--seconds N]

With a log, what it holds is not played again, so that a long session can be cut into pieces of N seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import Bench, write_hostile

from chaos import disks, faults, nodes
from chaos.play import play
from chaos.stage import Stage
from chaos.verdict import Reference, reference
from gad.datasets.prepare import ensure_bundled

DATASETS = ("digits-one-vs-all", "textures")


def main() -> int:
    asked = _arguments()
    log = _read(asked.log)
    names = [name for name in faults.ALL if asked.only in name]
    left = [(name, n) for n in range(asked.runs) for name in names if (name, n) not in _done(log)]
    deadline = time.monotonic() + asked.seconds
    if left:
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            _play(Path(folder), left, asked, log, deadline)
    print_table(log)
    unfinished = len([pair for pair in left if pair not in _done(log)])
    if unfinished:
        print(f"{unfinished} faults are left; the same command goes on")
    return 0 if all(row["lost"] == row["duplicated"] == row["changed"] == 0 for row in log) else 1


def _play(
    folder: Path, left: list[tuple[str, int]], asked: Any, log: list[dict[str, Any]], deadline: float
) -> None:
    strangers = write_hostile(folder / "strangers")
    os.environ.update(PYTHONPATH=str(strangers), RAY_USAGE_STATS_ENABLED="0")
    for name in DATASETS:
        ensure_bundled(name, folder / "data")
    cluster = nodes.start()
    try:
        stage = Stage(Bench(folder / "bench", data=folder / "data", path=strangers), cluster)
        expected = undisturbed(stage, {faults.ALL[name][1] for name, _ in left})
        for name, number in left:
            if time.monotonic() > deadline:
                return
            row = _one(name, number, stage, asked.seed, expected)
            log.append(row)
            print(json.dumps(row), flush=True)
            if asked.log:
                with open(asked.log, "a") as handle:
                    handle.write(json.dumps(row) + "\n")
    finally:
        cluster.cluster.shutdown()
        shutil.rmtree(folder / "bench", ignore_errors=True)


def _one(name: str, number: int, stage: Stage, seed: int, expected: dict[str, Reference]) -> dict[str, Any]:
    row: dict[str, Any] = {"fault": name, "number": number, "seed": seed}
    try:
        played = play(name, stage, Random(f"{seed} {name} {number}"), expected)
    except disks.NotHere:
        return {**row, "lost": 0, "duplicated": 0, "changed": 0, "seconds": None}
    except Exception as error:  # the command did not end as it should: the table must not look clean
        reason = f"{type(error).__name__}: {error}"[-3000:]
        return {**row, "lost": 1, "duplicated": 0, "changed": 0, "seconds": None, "broken": reason}
    return {**row, **vars(played.verdict), "seconds": round(played.seconds, 2)}


def undisturbed(stage: Stage, grids: set[str]) -> dict[str, Reference]:
    """The results that every run has to end with, by grid."""
    found = {}
    for grid in sorted(grids):
        stage.fresh(grid)
        stage.finish()
        found[grid] = reference(stage.bench.results)
    return found


def print_table(log: list[dict[str, Any]]) -> None:
    columns = ("fault", "runs", "lost", "duplicated", "changed", "median recovery s")
    rows = [_row(name, [row for row in log if row["fault"] == name]) for name in faults.ALL]
    rows.append(_row("all", log))
    widths = [max(len(str(row[n])) for row in [columns, *rows]) for n in range(len(columns))]
    for row in [columns, *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(name: str, rows: list[dict[str, Any]]) -> tuple[Any, ...]:
    seconds = [row["seconds"] for row in rows if row["seconds"] is not None]
    counts = [sum(row[key] for row in rows) for key in ("lost", "duplicated", "changed")]
    return (name, len(seconds), *counts, f"{statistics.median(seconds):.1f}" if seconds else "-")


def _done(log: list[dict[str, Any]]) -> set[tuple[str, int]]:
    return {(row["fault"], row["number"]) for row in log}


def _read(log: Path | None) -> list[dict[str, Any]]:
    if log is None or not log.exists():
        return []
    return [json.loads(line) for line in log.read_text().splitlines()]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="how often each fault is injected")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="faults whose name has this word")
    parser.add_argument("--log", type=Path, help="file that keeps what was played")
    parser.add_argument("--seconds", type=float, default=86400.0, help="inject nothing after so long")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
