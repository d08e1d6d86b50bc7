"""Any option of any model as the axis of an ablation. Pure: frames in, frames out."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd

from gad.harness.nouns import spelled_shots
from gad.leaderboard import ablation, ranking
from gad.leaderboard.perframe import per_frame
from gad.leaderboard.ranking import METRICS, ROW
from gad.leaderboard.sheet import Figure, Sheet, Value

Line = dict[str, Any]
TABLE_3 = "components and residual"
FULL = "T + P + I"


@per_frame
def axes(results: pd.DataFrame) -> list[str]:
    """What can be varied: the paper's parts where there are two variants, then every ``model: option``.

    An option counts where two rows of a model differ in it and agree in all others.

    >>> results = pd.DataFrame({"model": "knn", "method_key": ["x", "y"], "last_run": "1", "n_seeds": 3,
    ...     "options": ['{"k": 1, "norm": "l2"}', '{"k": 5, "norm": "l2"}']})
    >>> axes(results)
    ['knn: k']
    """
    found = []
    if ablation.variants(results).duplicated("family").any():
        found.append(TABLE_3)
    newest = ranking.newest_versions(results).drop_duplicates(ROW)
    for model, own in newest.groupby("model"):
        names = sorted({name for options in own["options"] for name in ranking.parse_options(options)})
        found += [
            f"{model}: {n}" for n in names if variants(results, f"{model}: {n}").duplicated("family").any()
        ]
    return found


def variants(results: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Rows along an axis as :func:`gad.leaderboard.ablation.variants` gives them: with ``variant, family``."""
    if axis == TABLE_3:
        return ablation.variants(results)
    model, _, name = axis.partition(": ")
    of_model = results[results["model"] == model]
    lines = []
    for *row, setting in ablation.distinct(of_model).itertuples(index=False):
        options = ranking.parse_options(row[1])
        if name in options:
            rest = {key: value for key, value in options.items() if key != name}
            rest |= ranking.parse_options(setting)
            value = options[name]
            lines.append((*row, f"{name} = {json.dumps(value)}", json.dumps(rest, sort_keys=True), value))
    frame = pd.DataFrame(lines, columns=[*ROW, "variant", "family", "value"])
    sizes = frame.groupby("family")["family"].transform("size")
    order = frame["value"].map(
        lambda v: (isinstance(v, str), v if isinstance(v, str | int | float) else str(v))
    )
    frame = frame.assign(size=-sizes, order=order).sort_values(["size", "family", "order"], kind="stable")
    return frame[[*ROW, "variant", "family"]].reset_index(drop=True)


def sheet(cells: pd.DataFrame, averages: pd.DataFrame, reference: str, shots: int, metric: str) -> Sheet:
    """Variants by domains and datasets; under each mean its difference to ``reference``'s."""
    columns = {**_by(averages, "domain"), **_by(cells, "dataset")}
    lines: list[list[Value]] = []
    for variant, label in ablation.labels(cells).items():
        line: list[Value] = [label]
        for own in columns.values():
            line += _pair(own.get(variant), own.get(reference))
        lines.append(line)
    names = [n for kind, name in columns for n in (f"{name} (mean)" if kind == "domain" else name, "Δ")]
    title = f"{METRICS[metric].label} at K = {spelled_shots(shots)}"
    note = f"Δ: difference to {reference}. Domain means are over complete datasets only."
    return Sheet(title, ["variant", *names], lines, note)


def _by(frame: pd.DataFrame, name: str) -> dict[tuple[str, str], dict[str, Line]]:
    """Lines of each dataset or domain (``name``) by variant; plain, for pages walk over hundreds."""
    found: dict[tuple[str, str], dict[str, Line]] = {}
    for line in frame.to_dict("records"):
        found.setdefault((name, line[name]), {})[line["variant"]] = line
    return found


def _pair(line: Line | None, base: Line | None) -> list[Value]:
    """A variant's figure, and its difference to the reference's, which has none to itself."""
    if line is None:
        return [None, None]
    std, rank = line.get("std", math.nan), line["rank"]
    figure = Figure(
        None if pd.isna(line["mean"]) else float(line["mean"]),
        None if pd.isna(std) else float(std),
        int(line["n"]),
        int(line["of"] if "of" in line else line["planned"]),
        int(rank) if pd.notna(rank) and rank <= 2 else 0,
    )
    known = base is not None and line is not base and line["complete"] and base["complete"]
    if base is None or not known:
        return [figure, None]
    return [figure, Figure(float(line["mean"] - base["mean"]), signed=True)]


def matrix(cells: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Differences of complete cells to ``reference``'s, variants x datasets.

    >>> cells = pd.DataFrame({"variant": ["P", "all"], "dataset": "d", "mean": [0.6, 0.9], "complete": True})
    >>> matrix(cells, "all").round(6).to_dict()
    {'d': {'P': -0.3, 'all': 0.0}}
    """
    known = cells.assign(mean=cells["mean"].where(cells["complete"]))
    wide = known.pivot(index="variant", columns="dataset", values="mean")
    wide = wide.reindex(
        index=list(dict.fromkeys(cells["variant"])), columns=list(dict.fromkeys(cells["dataset"]))
    )
    return wide - wide.loc[reference]


def family_name(family: str, families: list[str]) -> str:
    """A family by the options in which it differs from the others."""
    parsed = {other: ranking.parse_options(other) for other in families}
    own = parsed[family]
    names = [n for n in own if any(p.get(n) != own[n] for p in parsed.values())]
    return ", ".join(f"{n} = {own[n]}" for n in names) or "all options alike"
