"""`make chaos`: every fault several times, then the table.

python tests/chaos/run.py [--runs 5] [--seed 0] [--only WORD] [--log FILE] [--seconds N]

Faults that may strike one run together do (chaos.faults). With a log, what it holds is not played again, so that
a long session can be cut into pieces of N seconds.
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
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import Bench, write_hostile

from chaos import disks, faults, nodes
from chaos.play import play, undisturbed
from chaos.stage import Stage
from chaos.verdict import Reference
from gad.datasets.prepare import ensure_bundled

DATASET = "digits-one-vs-all"


def main() -> int:
    asked = _arguments()
    log = _read(asked.log)
    deadline = time.monotonic() + asked.seconds
    if _left(log, asked):
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            _play(Path(folder), asked, log, deadline)
    print_table(log)
    left = _left(log, asked)
    if left:
        print(f"{len(left)} runs are left; the same command goes on")
    return 0 if all(row["lost"] == row["duplicated"] == row["changed"] == 0 for row in log) else 1


def _left(log: list[dict[str, Any]], asked: argparse.Namespace) -> list[tuple[str, ...]]:
    """Groups of which some fault was not injected often enough, those that were least often first, and of these the
    largest."""
    done = Counter(row["fault"] for row in log)
    groups = [group for group in faults.GROUPS if any(asked.only in name for name in group)]
    least = {group: min(done[name] for name in group) for group in groups}
    return sorted(
        (group for group in groups if least[group] < asked.runs),
        key=lambda group: (least[group], -len(group)),
    )


def _play(folder: Path, asked: argparse.Namespace, log: list[dict[str, Any]], deadline: float) -> None:
    strangers = write_hostile(folder / "strangers")
    os.environ.update(PYTHONPATH=str(strangers), RAY_USAGE_STATS_ENABLED="0")
    ensure_bundled(DATASET, folder / "data")
    cluster = nodes.start()
    try:
        stage = Stage(Bench(folder / "bench", data=folder / "data", path=strangers), cluster)
        expected: dict[str, Reference] = {}
        while (left := _left(log, asked)) and time.monotonic() < deadline:
            grid = faults.ALL[left[0][0]][1]
            if grid not in expected:
                expected[grid] = undisturbed(grid, stage)
            for row in _rows(left[0], stage, asked.seed, len(log), expected[grid]):
                log.append(row)
                print(json.dumps(row), flush=True)
                if asked.log:
                    with open(asked.log, "a") as handle:
                        handle.write(json.dumps(row) + "\n")
    finally:
        cluster.cluster.shutdown()
        shutil.rmtree(folder / "bench", ignore_errors=True)


def _rows(
    group: tuple[str, ...], stage: Stage, seed: int, number: int, expected: Reference
) -> list[dict[str, Any]]:
    """What came of a group, a row for each fault that struck; of one that cannot be injected here, too."""
    row: dict[str, Any] = {"seed": seed, "number": number, "lost": 0, "duplicated": 0, "changed": 0}
    try:
        played = play(group, stage, Random(f"{seed} {number}"), expected)
    except disks.NotHere:
        return [{"fault": name, **row, "seconds": None} for name in dict.fromkeys(group)]
    except Exception as error:  # the command did not end as it should: the table must not look clean
        reason = f"{type(error).__name__}: {error}"[-3000:]
        return [
            {"fault": name, **row, "lost": 1, "seconds": None, "broken": reason}
            for name in dict.fromkeys(group)
        ]
    found = {**row, **vars(played.verdict)}
    return [{"fault": name, **found, "seconds": round(took, 2)} for name, took in played.seconds]


def print_table(log: list[dict[str, Any]]) -> None:
    columns = ("fault", "runs", "lost", "duplicated", "changed", "recovery s", "longest")
    rows = [_row(name, [row for row in log if row["fault"] == name]) for name in faults.ALL]
    rows.append(_row("all", log))
    widths = [max(len(str(row[n])) for row in [columns, *rows]) for n in range(len(columns))]
    for row in [columns, *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(name: str, rows: list[dict[str, Any]]) -> tuple[Any, ...]:
    """Recovery: from the fault until the table was whole again, median and longest."""
    seconds = [row["seconds"] for row in rows if row["seconds"] is not None]
    counts = [sum(row[key] for row in rows) for key in ("lost", "duplicated", "changed")]
    times = [f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}"] if seconds else ["-", "-"]
    return (name, len(seconds), *counts, *times)


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
