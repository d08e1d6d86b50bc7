"""Means against K with their two sources of variance told apart. Pure: frames in, frames out.

Prompts are drawn by a job's seed, training by its training seed. A band over one is the standard deviation
of means over the other, so that neither hides in the other's. Results are recorded with the former.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from gad.harness.nouns import spelled_shots
from gad.leaderboard import ranking
from gad.leaderboard.perframe import per_frame
from gad.leaderboard.ranking import COLUMN, METRICS, ROW
from gad.leaderboard.sheet import Figure, Sheet, Value

OVER = {"prompts": "prompt seeds", "training": "training seeds"}
CELL = [*ROW, *COLUMN, "shots"]


def bands(results: pd.DataFrame, jobs: pd.DataFrame, metric: str, over: str) -> pd.DataFrame:
    """``results`` with the std of ``metric`` over prompt seeds or over training seeds, and how many in ``n_over``.

    That over prompt seeds is the results' own. A method that is not trained has no training seeds, and no band
    over them.

    >>> cell = {"model": "m", "options": "{}", "method_key": "x", "dataset": "d", "column_key": "c", "shots": 2}
    >>> jobs = pd.DataFrame([{**cell, "status": "done", "seed": s, "training_seed": t, "auroc": v}
    ...     for s, t, v in [(0, 8, 0.5), (0, 9, 0.7), (1, 8, 0.7), (1, 9, 0.9)]])
    >>> results = pd.DataFrame([{**cell, "auroc_mean": 0.7, "auroc_std": 0.1414, "n_seeds": 2}])
    >>> found = bands(results, jobs, "auroc", "training").iloc[0]
    >>> float(found["auroc_std"].round(4)), int(found["n_over"])
    (0.1414, 2)
    """
    if over == "prompts":
        return results.assign(n_over=results["n_seeds"])
    spread = over_training(jobs)[[*CELL, metric, f"{metric} n"]]
    spread = spread.rename(columns={metric: f"{metric}_std", f"{metric} n": "n_over"})
    found = results.drop(columns=[f"{metric}_std"]).merge(spread, on=CELL, how="left")
    return found.assign(n_over=found["n_over"].fillna(0).astype(int))


@per_frame
def over_training(jobs: pd.DataFrame) -> pd.DataFrame:
    """For each cell and metric the std over training seeds of means over prompt seeds, and of how many (`` n``)."""
    metrics = [name for name in METRICS if name in jobs]
    # A method that is not trained has no training seed, and groupby drops what has none.
    done = jobs[(jobs["status"] == "done") & jobs["training_seed"].notna()]
    means = done.groupby([*CELL, "training_seed"])[metrics].mean()
    by_cell = means.groupby(level=CELL)
    return by_cell.std().join(by_cell.count().add_suffix(" n")).reset_index()


def sheet(
    found: pd.DataFrame, keys: Sequence[str], spell: Callable[[str], str], metric: str, over: str
) -> Sheet:
    """The panels' numbers: a row for each dataset and method (in the order of ``keys``), a column for each K."""
    shots = sorted(int(k) for k in found["shots"].unique())
    order = {key: place for place, key in enumerate(keys)}
    panels = {(c.dataset, c.column_key): place for place, c in enumerate(ranking.columns(found).itertuples())}
    cells: dict[tuple[str, str, str], dict[int, Any]] = {}
    for line in found.to_dict("records"):
        key = (line["dataset"], line["column_key"], line["method_key"])
        cells.setdefault(key, {})[int(line["shots"])] = line
    lines: list[list[Value]] = [
        [key[0], spell(key[2]), *(_figure(own.get(k), metric) for k in shots)]
        for key, own in sorted(cells.items(), key=lambda item: (panels[item[0][:2]], order[item[0][2]]))
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
