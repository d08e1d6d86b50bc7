"""`harness results --layout ablation`: InCTRL's variants by datasets, as in the paper's Table 3."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gad.harness.cli.common import print_json, print_table
from gad.harness.nouns import spelled_shots

if TYPE_CHECKING:
    import pandas as pd

METRICS = {"auroc": "AUROC", "auprc": "AUPRC"}


def show(results: Path, as_json: bool) -> None:
    """A table for each family of variants, K and metric; families of one are no ablation and left out."""
    import pandas as pd

    from gad.harness.store import read
    from gad.leaderboard import ablation

    names = [*read.COLUMNS["dataset"].split(", "), *read.MARKS]
    frame = pd.DataFrame(read.results(results, "dataset"), columns=names)
    rows, tables = ablation.variants(frame), []
    for family, own in rows.groupby("family", sort=False):
        if len(own) < 2:
            continue
        for shots in sorted(frame.loc[frame["method_key"].isin(set(own["method_key"])), "shots"].unique()):
            for metric in METRICS:
                cells = ablation.cells(frame, own, int(shots), metric)
                averages = ablation.averages(cells, metric)
                tables.append((str(family), int(shots), metric, cells, averages))
    if as_json:
        print_json([_fields(*table) for table in tables])
    elif not tables:
        print(
            f"no two variants of inctrl in {results}; `harness submit --grid ablation-bundled` makes some",
            file=sys.stderr,
        )
    differing = _differing({family for family, *_ in tables})
    for table in () if as_json else tables:
        _print(*table, differing[table[0]])


def _fields(
    family: str, shots: int, metric: str, cells: pd.DataFrame, averages: pd.DataFrame
) -> dict[str, Any]:
    dropped = ["options", "column_key", "protocol"]
    return {
        "options": json.loads(family),
        "shots": shots,
        "metric": metric,
        "cells": _records(cells.drop(columns=dropped)),
        "averages": _records(averages.drop(columns=["options"])),
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Lines as JSON values: what is not known is null, never NaN."""
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return records


def _differing(families: set[str]) -> dict[str, str]:
    """What tells each family's options from the others', as text; nothing where there is only one."""
    options = {family: json.loads(family) for family in families}
    names = sorted({name for fields in options.values() for name in fields})
    told = [n for n in names if len({json.dumps(fields.get(n)) for fields in options.values()}) > 1]
    return {
        family: ", ".join(f"{n}={fields[n]}" for n in told if n in fields)
        for family, fields in options.items()
    }


def _print(
    _: str, shots: int, metric: str, cells: pd.DataFrame, averages: pd.DataFrame, differing: str
) -> None:
    """Datasets first, each under its domain, then the domains' averages."""
    from gad.leaderboard import ablation

    datasets = cells.drop_duplicates(["domain", "dataset"])[["domain", "dataset"]].to_numpy().tolist()
    domains = list(dict.fromkeys(domain for domain, _ in datasets))
    at = {(c.variant, c.dataset): _value(c.mean, c.complete, c.n, c.planned) for c in cells.itertuples()}
    of = {(a.variant, a.domain): _value(a.mean, a.complete, a.n, a.of) for a in averages.itertuples()}
    heads = [f"{dataset} ({domain})" for domain, dataset in datasets] + [f"avg {d}" for d in domains]
    table = [
        [
            label,
            *(at.get((variant, dataset), "-") for _, dataset in datasets),
            *(of.get((variant, domain), "-") for domain in domains),
        ]
        for variant, label in ablation.labels(cells).items()
    ]
    title = f"{METRICS[metric]} at K = {spelled_shots(shots)}" + (f" ({differing})" if differing else "")
    print_table(["variant", *heads], table, title=title)


def _value(mean: float, complete: bool, n: int, of: int) -> str:
    """A mean, with what it lacks: a cell seeds, an average datasets."""
    said = "-" if math.isnan(mean) else f"{mean:.3f}"
    return said if complete else f"{said} ({n} of {of})"
