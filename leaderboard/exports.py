"""The leaderboard's tables without a browser: what `harness results --format` and `harness export` write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gad.harness.errors import UsageError, did_you_mean
from gad.leaderboard import ablation, board, methods, optionaxis, queries, ranking, spreads
from gad.leaderboard.sheet import Sheet

if TYPE_CHECKING:
    import pandas as pd


def boards(results: Path, metric: str = "auroc", shots: int | None = None) -> dict[str, Sheet]:
    """The main table of each K (or of one), as the page shows it, by the name that its download has.

    Raises UsageError for a metric or a K that the results do not have.
    """
    if metric not in ranking.METRICS:
        hint = did_you_mean(metric, list(ranking.METRICS))
        raise UsageError(f"no metric {metric!r}.{hint}", fix=f"Use one of {', '.join(ranking.METRICS)}.")
    found = queries.load(results)
    known = sorted(int(k) for k in found.datasets["shots"].unique())
    if shots is not None and known and shots not in known:
        raise UsageError(f"no results at K = {shots}", fix=f"There are K = {', '.join(map(str, known))}.")
    return {
        f"leaderboard-{metric}-k{k}": board.sheet(
            board.make(found.datasets, found.costs, board.View(shots=k, metric=metric))
        )
        for k in known
        if shots in (None, k)
    }


def everything(results: Path) -> dict[str, Sheet]:
    """Every table that covers all methods: the main one of each K and metric, and each metric against K."""
    found = queries.load(results)
    if found.datasets.empty:
        return {}
    sheets: dict[str, Sheet] = {}
    newest = ranking.newest_versions(found.datasets)
    known = methods.of(found.datasets, newest)
    for metric in ranking.available(found.datasets):
        sheets |= boards(results, metric)
        spread = spreads.bands(newest, found.jobs, metric, "prompts")
        sheets[f"shots-{metric}"] = spreads.sheet(spread, known.spell, metric, spreads.OVER["prompts"])
    return {**sheets, **ablations(found.datasets)}


def ablations(results: pd.DataFrame) -> dict[str, Sheet]:
    """The layout of the paper's Table 3 at each K, for the largest family of variants."""
    variants = ablation.variants(results)
    if len(variants) < 2:
        return {}
    own = variants[variants["family"] == variants["family"].iloc[0]]
    names = list(own["variant"])
    reference = optionaxis.FULL if optionaxis.FULL in names else names[0]
    sheets = {}
    for metric in ranking.available(results):
        for k in sorted(results.loc[results["method_key"].isin(set(own["method_key"])), "shots"].unique()):
            cells = ablation.cells(results, own, int(k), metric)
            averages = ablation.averages(cells, metric)
            sheets[f"ablation-{metric}-k{k}"] = optionaxis.sheet(cells, averages, reference, int(k), metric)
    return sheets
