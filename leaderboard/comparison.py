"""Methods against a reference: paired differences by dataset, category or seed, and tests over datasets. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from gad.leaderboard import ranking, significance, standings
from gad.leaderboard.ranking import METRICS
from gad.leaderboard.sheet import Figure, Sheet, Value

P_VALUES = ("p (Wilcoxon)", "p (Holm)")
BY = {"dataset": "dataset", "category": "category", "seed": "seed of the prompts"}
Spell = Callable[[str], str]


def values(jobs: pd.DataFrame, shots: int, metric: str, by: str) -> pd.DataFrame:
    """One line for each value that differences are made of: ``method_key, dataset, column_key, at, pair, value``.

    ``jobs`` are the lines of ``read.results(by="job")``, or by="category" where ``by`` is category. ``at`` is
    what the values are told apart by, ``pair`` what must be the same on both sides: seed and training seed.
    """
    found = jobs[(jobs["status"] == "done") & (jobs["shots"] == shots) & jobs[metric].notna()].copy()
    names = {"dataset": found["dataset"], "seed": found["dataset"] + ", seed " + found["seed"].astype(str)}
    found["at"] = found["dataset"] + "/" + found["category"] if by == "category" else names[by]
    # A method that is not trained has one value for every training seed of another: it pairs by prompts alone.
    found["pair"] = found["seed"]
    found["value"] = found[metric].astype(float)
    columns = ["method_key", "dataset", "column_key", "at", "pair"]
    return found.groupby(columns, as_index=False)["value"].mean()


def differences(
    found: pd.DataFrame, reference: str, others: list[str]
) -> dict[tuple[str, str], significance.Paired]:
    """Paired differences of each of ``others`` to ``reference``, by (other, what they are told apart by).

    Values are paired where column key and prompts are the same.

    >>> line = {"dataset": "d", "column_key": "c", "at": "d"}
    >>> found = pd.DataFrame([{**line, "method_key": m, "pair": p, "value": v}
    ...     for m, p, v in [("a", 0, 0.5), ("a", 1, 0.6), ("b", 0, 0.7), ("b", 1, 0.7), ("b", 2, 0.0)]])
    >>> differences(found, "a", ["b"])["b", "d"].n
    2
    """
    keys = ["column_key", "at", "pair"]
    base = found[found["method_key"] == reference].set_index(keys)["value"]
    result = {}
    for other in others:
        own = found[found["method_key"] == other].set_index(keys)["value"]
        both = pd.concat({"own": own, "base": base}, axis=1, join="inner")
        for at, pairs in both.groupby(level="at"):
            result[other, str(at)] = significance.paired(pairs["own"].tolist(), pairs["base"].tolist())
    return result


def sheet(
    found: pd.DataFrame, reference: str, others: list[str], metric: str, by: str, spell: Spell
) -> Sheet:
    """Differences as a table: a row for each dataset, category or seed."""
    paired = differences(found, reference, others)
    base = found[found["method_key"] == reference].groupby("at")["value"].agg(["mean", "std", "count"])
    lines: list[list[Value]] = []
    hints = {}
    for i, at in enumerate(base.index):
        own = base.loc[at]
        line: list[Value] = [str(at), Figure(float(own["mean"]), _number(own["std"]), int(own["count"]))]
        for j, other in enumerate(others):
            difference = paired.get((other, str(at)))
            line.append(_signed(difference))
            if difference:
                hints[i, j + 2] = (
                    f"{difference.n} pairs: better in {difference.wins}, worse in {difference.losses}"
                )
        lines.append(line)
    label = METRICS[metric].label
    return Sheet(
        f"{label} by {BY[by]}",
        [BY[by], spell(reference), *(f"{spell(other)} − reference" for other in others)],
        lines,
        "Differences of values on the same prompts: mean ± standard deviation over pairs.",
        hints=hints,
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _signed(difference: significance.Paired | None) -> Figure | None:
    if difference is None:
        return None
    return Figure(difference.mean, difference.std, difference.n, signed=True)


def complete_means(found: pd.DataFrame, keys: list[str], shots: int, metric: str) -> pd.DataFrame:
    """Complete means of some methods as methods x datasets, by method key; empty lines and columns left out.

    ``found`` are lines of ``read.results(by="dataset")``.
    """
    ranked = ranking.cells(found[found["method_key"].isin(keys)], shots, metric)
    wide = standings.complete(ranked, ranking.columns(found)).droplevel(["model", "options"])
    return wide.dropna(axis=0, how="all").dropna(axis=1, how="all")


def tests(
    wide: pd.DataFrame, metric: str, spell: Spell, left: str
) -> tuple[Sheet, pd.Series, list[list[str]]]:
    """Tests over datasets: the pairs as a table, average ranks, and groups not told apart.

    ``wide`` as from :func:`complete_means`; ``left`` says which methods are not in it, and why.
    """
    full = significance.by_unit(wide).dropna(axis=1)
    pairs = significance.wilcoxon_pairs(full)
    average = significance.ranks(full, METRICS[metric].higher_is_better).mean(axis=1)
    omnibus = significance.friedman(full)
    groups = significance.cliques(average, pairs)
    tested = bool(pairs["p"].notna().any())
    lines: list[list[Value]] = [
        [
            spell(p.a),
            spell(p.b),
            Figure(p.difference, signed=True),
            p.n,
            *map(_p, (p.p, p.holm) if tested else ()),
        ]
        for p in pairs.itertuples()
    ]
    table = Sheet(
        "Tests over datasets",
        ["method", "against", "mean difference", "datasets", *(P_VALUES if tested else ())],
        lines,
        f"{words(full.shape[1], omnibus, groups, spell)} {left}".strip(),
    )
    return table, average, groups


def words(n: int, omnibus: significance.Omnibus | None, groups: list[list[str]], spell: Spell) -> str:
    """What the tests say, in a sentence or two."""
    counted = f"{n} {'dataset' if n == 1 else 'datasets'} that all of these methods have complete"
    if n < significance.FEWEST_DATASETS:
        return (
            f"{counted}: too few for a test, which needs {significance.FEWEST_DATASETS}. Seeds are not more data, "
            "so there is no p-value."
        )
    said = [f"{counted}; two protocols over the same images count once."]
    if omnibus:
        said.append(f"Friedman: chi² = {omnibus.statistic:.2f}, p = {omnibus.p:.3g}.")
    apart = [
        " and ".join(map(spell, group)) if len(group) == 2 else ", ".join(map(spell, group))
        for group in groups
    ]
    said += [f"Not told apart: {group}." for group in apart] or ["All of them are told apart."]
    return " ".join(said)


def _p(value: float) -> str | None:
    return None if math.isnan(value) else f"{value:.3g}" if value >= 0.001 else "< 0.001"
