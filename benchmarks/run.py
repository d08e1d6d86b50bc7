"""`make bench`: what sharing is worth on this machine, as ratios against the naive way.

    python benchmarks/run.py [NAME ...] [--json FILE]

Runs every benchmark but the large ones, or those that are named, one after the other, and prints a table.
Each is a function ``() -> list[Row]`` that measures both sides in the same process and on the same inputs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import cell
import decode
import nearest
import sharing
from rich.console import Console
from rich.table import Table
from rows import Row

BENCHMARKS = {"nearest": nearest.run, "sharing": sharing.run, "cell": cell.run, "decode": decode.run}
LARGE = {"decode-large": decode.large}  # some minutes and a gigabyte of disk


def main() -> None:
    parser = argparse.ArgumentParser(description="What sharing is worth on this machine.")
    parser.add_argument(
        "names",
        nargs="*",
        choices=[*BENCHMARKS, *LARGE, []],
        help="benchmarks to run (default: all but large)",
    )
    parser.add_argument("--json", type=Path, help="also write the rows as JSON into this file")
    options = parser.parse_args()
    rows: list[Row] = []
    for name in options.names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += {**BENCHMARKS, **LARGE}[name]()
    show(rows)
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in rows], indent=1))


def show(rows: list[Row]) -> None:
    table = Table(title=f"{os.cpu_count()} cores; seconds are the best of the repetitions")
    for heading in ("benchmark", "ours, s", "against", "s", "ours / against"):
        table.add_column(heading, justify="left" if heading in ("benchmark", "against") else "right")
    for row in rows:
        table.add_row(
            row.what, f"{row.seconds:.2f}", row.against, f"{row.naive:.2f}", f"{row.seconds / row.naive:.2f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
