"""Bootstrap intervals of some methods' AUROC on one dataset, from its stored scores. No widgets here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gad.leaderboard import bootstrap, details
from gad.leaderboard.methods import Methods
from gad.leaderboard.sheet import MINUS, Figure, Sheet, Value

MOST_SCORES = 500_000  # for a thousand draws; above it there are fewer
FEWER_DRAWS = 200
CELL = ["category", "seed"]


def lines(results: Path, jobs: pd.DataFrame, keys: list[str], dataset: str) -> pd.DataFrame:
    """The parts to draw from: of finished ``jobs`` (of one K) on the newest data, what all methods there share.

    A line for each (method, category, seed): ``method_key, category, seed, part_id, auroc, n_normal,
    n_anomalous``. Of several training seeds the first.
    """
    own = jobs[(jobs["dataset"] == dataset) & jobs["method_key"].isin(keys) & (jobs["status"] == "done")]
    if own.empty:
        return pd.DataFrame(columns=["method_key", *CELL, "part_id", "auroc", "n_normal", "n_anomalous"])
    newest = own.sort_values("last_run", kind="stable")["column_key"].iloc[-1]
    found = details.categories(results, own.loc[own["column_key"] == newest, "job_id"].tolist())
    found = found[found["auroc"].notna()].drop_duplicates(["method_key", *CELL])
    methods = found.groupby(CELL)["method_key"].transform("nunique")
    return found[methods == found["method_key"].nunique()].sort_values(["method_key", *CELL])


def count(found: pd.DataFrame) -> int:
    """How many image scores lines stand for."""
    return int((found["n_normal"] + found["n_anomalous"]).sum())


def draws_for(scores: int) -> int:
    return bootstrap.DRAWS if scores <= MOST_SCORES else FEWER_DRAWS


def draw(results: Path, found: pd.DataFrame, draws: int) -> dict[str, bootstrap.Floats]:
    """Draws of each method's mean AUROC over categories and seeds, by method key: float ``[draws]``.

    Empty where no category with both classes is shared.
    """
    if found.empty:
        return {}
    arrays = details.score_arrays(results, found["part_id"].tolist())
    keys, categories = sorted(set(found["method_key"])), []
    for _, own in found.groupby("category"):
        parts = own.set_index(["method_key", "seed"])["part_id"].unstack("seed").loc[keys]
        if len({arrays[part][2] for part in parts.to_numpy().ravel()}) > 1:
            continue  # other images under one column key: nothing to pair
        scores: bootstrap.Floats = np.stack([[arrays[part][1] for part in line] for line in parts.to_numpy()])
        labels, _, images = arrays[parts.iloc[0, 0]]
        categories.append(bootstrap.Category(labels, scores, images))
    drawn = bootstrap.mean_draws(categories, draws)
    return {} if drawn is None else dict(zip(keys, drawn, strict=True))


def sheet(
    found: pd.DataFrame,
    drawn: dict[str, bootstrap.Floats],
    keys: list[str],
    known: Methods,
    title: str,
    left: str,
) -> Sheet:
    """Intervals of each method and of its difference to the first of ``keys``; ``left`` says who is not here."""
    present = [key for key in keys if key in drawn]
    means = found.groupby("method_key")["auroc"].mean()
    table: list[list[Value]] = []
    for key in present:
        line: list[Value] = [known.spell(key), Figure(float(means[key])), _interval(drawn[key], "")]
        if key == keys[0] or keys[0] not in drawn:
            table.append([*line, None, None, None])
            continue
        difference = drawn[key] - drawn[keys[0]]
        low, high = bootstrap.interval(difference)
        apart = "no" if low <= 0 <= high else "yes"
        signed = Figure(float(means[key] - means[keys[0]]), signed=True)
        table.append([*line, signed, _interval(difference, "+"), apart])
    columns = ["method", "AUROC", "95 % interval", "− reference", "its 95 % interval", "told apart"]
    draws = len(next(iter(drawn.values()), []))
    note = (
        f"{draws} draws of the test images, normal and anomalous apart, the same for all methods and seeds, and for "
        f"categories of the same images (one-vs-all); mean over categories and seeds. {count(found):,} scores. It "
        f"tells how far the choice of test images moves a number, not how far another dataset would. {left}"
    )
    return Sheet(title, columns, table, note.strip())


def _interval(draws: bootstrap.Floats, sign: str) -> str:
    low, high = bootstrap.interval(draws)
    return f"{low:{sign}.3f} to {high:{sign}.3f}".replace("-", MINUS)
