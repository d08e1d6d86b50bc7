"""Other looks at results by dataset and K: `results --layout pixel` and `--layout costs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gad.harness.cli.common import print_json, print_table
from gad.harness.cli.shown import called, mean_and_std, seeds, varying_options, with_options
from gad.harness.nouns import spelled_shots

PIXEL = {"pixel AUROC": "pixel_auroc", "pixel AUPRC": "pixel_auprc", "AUPRO": "pixel_aupro"}


def pixel(results: Path, as_json: bool) -> None:
    """Pixel metrics as mean ± std; rows where none were computed are left out."""
    from gad.harness.store import read

    rows = [r for r in read.results(results) if any(r[f"{name}_mean"] is not None for name in PIXEL.values())]
    if as_json:
        print_json([with_options(row) for row in rows])
        return
    if not rows:
        print(
            f"no pixel metrics in {results}; a grid asks for them with `pixel_metrics: true`", file=sys.stderr
        )
        return
    names = varying_options(rows)
    table = [
        [
            called(row, names),
            row["dataset"],
            spelled_shots(row["shots"]),
            *(mean_and_std(row[f"{name}_mean"], row[f"{name}_std"]) for name in PIXEL.values()),
            seeds(row),
        ]
        for row in rows
    ]
    print_table(["model", "dataset", "K", *PIXEL, "seeds"], table)


def costs(results: Path, as_json: bool) -> None:
    """What methods cost; see :func:`gad.harness.store.read.costs`."""
    from gad.harness.store import read

    rows = read.costs(results)
    if as_json:
        print_json([with_options(row) for row in rows])
        return
    names = varying_options(rows)
    table = [
        [
            called(row, names),
            row["dataset"],
            spelled_shots(row["shots"]),
            _milliseconds(row["warm_seconds"]),
            _milliseconds(row["cold_seconds"]),
            "-" if row["parameters"] is None else f"{row['parameters'] / 1e6:.1f}",
            f"{row['peak_memory_mb']:.0f}",
            str(row["threads"]),
        ]
        for row in rows
    ]
    heads = [
        "model",
        "dataset",
        "K",
        "ms/image warm",
        "cold",
        "parameters (M)",
        "peak memory (MB)",
        "threads",
    ]
    print_table(heads, table)


def _milliseconds(value: Any) -> str:
    return "-" if value is None else f"{value * 1000:.1f}"
