"""Means against K with their two sources of variance told apart. Pure: frames in, frames out.

Prompts are drawn by a job's seed, training by its training seed. A band over one is the standard deviation
of means over the other, so that neither hides in the other's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from gad.harness.nouns import spelled_shots
from gad.leaderboard.ranking import COLUMN, METRICS, ROW
from gad.leaderboard.sheet import Figure, Sheet, Value

OVER = {"prompts": "prompt seeds", "training": "training seeds"}
CELL = [*ROW, *COLUMN, "shots"]


def bands(results: pd.DataFrame, jobs: pd.DataFrame, metric: str, over: str) -> pd.DataFrame:
    """``results`` with the std of ``metric`` over prompt seeds or over training seeds, and how many in ``n_over``.

    The mean is over all jobs that are done. A method that is not trained has no training seeds, and no band
    over them.

    >>> cell = {"model": "m", "options": "{}", "method_key": "x", "dataset": "d", "column_key": "c", "shots": 2}
    >>> jobs = pd.DataFrame([{**cell, "status": "done", "seed": s, "training_seed": t, "auroc": v}
    ...     for s, t, v in [(0, 8, 0.5), (0, 9, 0.7), (1, 8, 0.7), (1, 9, 0.9)]])
    >>> results = pd.DataFrame([{**cell, "auroc_mean": 0.7, "auroc_std": 0.163}])
    >>> found = bands(results, jobs, "auroc", "training").iloc[0]
    >>> float(found["auroc_std"].round(4)), int(found["n_over"])
    (0.1414, 2)
    """
    done = jobs[(jobs["status"] == "done") & jobs[metric].notna()]
    axis = "seed" if over == "prompts" else "training_seed"
    # Missing training seeds would be dropped as keys: exactly the methods that have none.
    means = done.groupby([*CELL, axis], dropna=True)[metric].mean()
    spread = means.groupby(level=CELL).agg(["std", "count"]).rename(columns={"count": "n_over"})
    found = results.drop(columns=[f"{metric}_std"]).merge(
        spread.rename(columns={"std": f"{metric}_std"}).reset_index(), on=CELL, how="left"
    )
    return found.assign(n_over=found["n_over"].fillna(0).astype(int))


def sheet(
    found: pd.DataFrame, keys: Sequence[str], spell: Callable[[str], str], metric: str, over: str
) -> Sheet:
    """The panels' numbers: a row for each dataset and method (in the order of ``keys``), a column for each K."""
    shots = sorted(int(k) for k in found["shots"].unique())
    order = {key: place for place, key in enumerate(keys)}
    cells: dict[tuple[str, str, str], dict[int, Any]] = {}
    for line in found.to_dict("records"):
        key = (line["dataset"], line["column_key"], line["method_key"])
        cells.setdefault(key, {})[int(line["shots"])] = line
    lines: list[list[Value]] = [
        [key[0], spell(key[2]), *(_figure(own.get(k), metric) for k in shots)]
        for key, own in sorted(cells.items(), key=lambda item: (*item[0][:2], order[item[0][2]]))
    ]
    label = METRICS[metric].label
    return Sheet(
        f"{label} by K",
        ["dataset", "method", *(f"K = {spelled_shots(k)}" for k in shots)],
        lines,
        f"± over {over}.",
    )


def _figure(line: dict[str, Any] | None, metric: str) -> Figure | None:
    """A cell: ``n`` is what its spread is over where it is complete, else how many jobs are done."""
    if line is None:
        return None
    mean, std = line[f"{metric}_mean"], line[f"{metric}_std"]
    done, planned = int(line["n_seeds"]), int(line["n_planned"])
    return Figure(
        None if pd.isna(mean) else float(mean),
        None if pd.isna(std) else float(std),
        (int(line["n_over"]) or done) if done == planned else done,
        None if done == planned else planned,
    )
