"""InCTRL's ablation as the paper lays it out (arXiv 2403.06495, Table 3): variants by datasets and domains.

Pure: frames in, frames out. A *variant* is a row of :mod:`gad.leaderboard.ranking` that differs from others
in ``components`` (T text prior, P patch residual, I image residual) and ``residual`` alone. Variants that
share all their other options are a *family*: only these belong in one table.
"""

from __future__ import annotations

import json

import pandas as pd

from gad.leaderboard import ranking
from gad.leaderboard.ranking import COLUMN, ROW

VARIED = ("components", "residual")
RESIDUALS = ("subtract", "concat", "average")  # the order of the rows
DOMAINS = {  # the paper's three domains, by protocol
    "industrial": "industrial",
    "medical": "medical",
    "one-vs-all": "semantic",
    "multi-class": "semantic",
}


def variants(results: pd.DataFrame, model: str = "inctrl") -> pd.DataFrame:
    """The variants of ``model`` in the newest code: ``model, options, method_key, components, residual,
    variant, family``.

    ``family`` is what they share, as JSON: their other options, and choices of the grid in which rows of the
    model differ. The family with most variants comes first. Within one: single components, pairs, all three,
    then other residuals.

    >>> frame = pd.DataFrame({"model": "inctrl", "method_key": ["x", "y"], "last_run": "1",
    ...     "n_seeds": 3, "options": [
    ...     '{"components": "TPI", "residual": "subtract"}', '{"components": "P", "residual": "subtract"}']})
    >>> variants(frame)["variant"].tolist()
    ['P', 'T + P + I']
    """
    of_model = results[results["model"] == model]
    names = [*ROW, *VARIED, "variant", "family"]
    found = distinct(of_model) if len(of_model) else of_model.assign(setting="")[[*ROW, "setting"]]
    lines = []
    for *row, setting in found.itertuples(index=False):
        options = ranking.parse_options(row[1])
        if all(isinstance(options.get(name), str) for name in VARIED):
            shared = {name: value for name, value in options.items() if name not in VARIED}
            shared |= ranking.parse_options(setting)
            components, residual = options["components"], options["residual"]
            label = " + ".join(components) + ("" if residual == "subtract" else f", {residual}")
            family = json.dumps(shared, sort_keys=True)
            lines.append((*row, components, residual, label, family))
    frame = pd.DataFrame(lines, columns=names)
    sizes = frame.groupby("family")["family"].transform("size")
    place = [_place(*pair) for pair in zip(frame["components"], frame["residual"], strict=True)]
    frame = frame.assign(size=-sizes, place=place).sort_values(["size", "family", "place"], kind="stable")
    return frame[names].reset_index(drop=True)


def distinct(of_model: pd.DataFrame) -> pd.DataFrame:
    """The rows of a model in its newest code: ``model, options, method_key, setting``.

    ``setting`` is JSON of the choices of the grid (:func:`ranking.settings`) that are not the same in all of them.
    """
    newest = ranking.newest_versions(of_model).drop_duplicates(ROW)
    chosen = [ranking.parse_options(setting) for setting in ranking.settings(newest)]
    names = {name for each in chosen for name in each}
    apart = {name for name in names if len({each.get(name) for each in chosen}) > 1}
    told = [json.dumps({name: each[name] for name in sorted(apart & each.keys())}) for each in chosen]
    return newest[ROW].assign(setting=told)


def _place(components: str, residual: str) -> tuple[int, int, tuple[int, ...]]:
    last = RESIDUALS.index(residual) if residual in RESIDUALS else len(RESIDUALS)
    return last, len(components), tuple("TPI".find(letter) for letter in components)


def cells(results: pd.DataFrame, rows: pd.DataFrame, shots: int, metric: str) -> pd.DataFrame:
    """:func:`ranking.cells` of some variants (``rows``, from one family), ranked among themselves.

    Adds ``variant``, ``protocol`` and ``domain``; in the order of ``rows``, then of the columns. A dataset
    is there under its newest column key alone, so that a domain never counts one twice.
    """
    of_rows = results[results["method_key"].isin(set(rows["method_key"]))]
    columns = ranking.columns(of_rows).query("age == 0")[[*COLUMN, "protocol"]]
    kept = of_rows.merge(columns[COLUMN], on=COLUMN)
    found = ranking.cells(kept, shots, metric)
    names = rows[[*ROW, "variant"]].assign(row=range(len(rows)))
    places = columns.assign(column=range(len(columns)), domain=columns["protocol"].map(domain))
    found = found.merge(names, on=ROW).merge(places, on=COLUMN)
    return found.sort_values(["row", "column"]).drop(columns=["row", "column"]).reset_index(drop=True)


def labels(found: pd.DataFrame) -> dict[str, str]:
    """What each variant among some :func:`cells` is called in a table: with a mark where its weights are generated."""
    drawn = set(found.loc[found["generated"], "variant"])
    return {
        name: f"{name} [generated weights]" if name in drawn else name
        for name in dict.fromkeys(found["variant"])
    }


def domain(protocol: str) -> str:
    """The paper's domain of a protocol; one that it does not have stands for itself."""
    return DOMAINS.get(protocol, protocol)


def averages(found: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Cells averaged by domain: ``model, options, method_key, variant, domain, mean, n, of, complete, rank``.

    ``mean`` is over the ``n`` complete datasets of the ``of`` that any variant has in the domain. Only
    means over all of them are complete and ranked, as a mean over fewer is of another mixture.
    """
    wanted = found.groupby("domain")["dataset"].nunique()
    good = found["complete"] & found["mean"].notna()
    names = [*ROW, "variant", "domain"]
    groups = found.assign(mean=found["mean"].where(good)).groupby(names, sort=False)["mean"]
    out = groups.agg(mean="mean", n="count").reset_index()
    out["of"] = out["domain"].map(wanted)
    out["complete"] = out["n"] == out["of"]
    drawn = out["method_key"].isin(found.loc[found["generated"], "method_key"])
    ranks = (
        out[out["complete"] & ~drawn]
        .groupby("domain")["mean"]
        .transform(
            lambda means: means.round(ranking.TIE_DIGITS).rank(
                method="min", ascending=not ranking.METRICS[metric].higher_is_better
            )
        )
    )
    out["rank"] = ranks.reindex(out.index).astype("Int64")
    return out
