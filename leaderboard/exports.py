"""The leaderboard's tables without a browser: what `harness results --format` and `harness export` write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gad.harness.errors import UsageError, did_you_mean
from gad.leaderboard import (
    ablation,
    board,
    comparison,
    intervals,
    methods,
    optionaxis,
    queries,
    ranking,
    spreads,
)
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
    """Every table that covers all methods, by name: main ones, against K, comparisons, ablations."""
    found = queries.load(results)
    if found.datasets.empty:
        return {}
    sheets: dict[str, Sheet] = {}
    current = ranking.current_versions(found.datasets)
    known = methods.of(found.datasets, current)
    for metric in ranking.available(found.datasets):
        sheets |= boards(results, metric)
        spread = spreads.bands(current, found.jobs, metric, "prompts")
        over = spreads.OVER["prompts"]
        sheets[f"shots-{metric}"] = spreads.sheet(spread, known.keys, known.spell, metric, over)
    return {**sheets, **comparisons(results, found, current, known), **ablations(found.datasets)}


def comparisons(
    results: Path, found: queries.Snapshot, current: pd.DataFrame, known: methods.Methods
) -> dict[str, Sheet]:
    """All methods against the first, at each K: paired differences, tests over datasets, bootstrap intervals."""
    keys = known.keys
    if len(keys) < 2:
        return {}
    kept, left = known.together(keys)
    sheets = {}
    jobs = found.jobs[found.jobs["method_key"].isin(keys)]
    for k in sorted(int(k) for k in current["shots"].unique()):
        for metric in ranking.available(found.datasets):
            values = comparison.values(jobs, k, metric, "dataset")
            sheets[f"compare-{metric}-k{k}-by-dataset"] = comparison.sheet(
                values, keys[0], keys[1:], metric, "dataset", known.spell
            )
            wide = comparison.complete_means(current, kept, k, metric)
            if len(wide) > 1 and not wide.dropna(axis=1).empty:
                sheets[f"tests-{metric}-k{k}"] = comparison.tests(wide, metric, known.spell, left)[0]
        of_k = jobs[jobs["shots"] == k]
        for dataset in sorted(of_k["dataset"].unique()):
            lines = intervals.lines(results, of_k, kept, dataset)
            drawn = intervals.draw(results, lines, intervals.draws_for(intervals.count(lines)))
            if drawn:
                title = f"Bootstrap of AUROC on {dataset} at K = {k}"
                sheets[f"bootstrap-{dataset}-k{k}"] = intervals.sheet(lines, drawn, kept, known, title, left)
    return sheets


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
