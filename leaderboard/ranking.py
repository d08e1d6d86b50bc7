"""Turning stored results into ranked rows and columns. Pure: frames in, frames out.

The input everywhere is the frame of ``read.results(folder, by="dataset")``: one line for each
(model, options, method key, dataset, column key, K). A table's *row* is a (model, options, method key)
and a *column* is a (dataset, column key): numbers under different keys are never merged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gad.leaderboard.perframe import per_frame

ROW = ["model", "options", "method_key"]
COLUMN = ["dataset", "column_key"]
VERSIONS = ["model", "options", "setting"]  # what versions of one method have in common
KEY_SHOWN = 6  # hex digits of a key that a note shows; the whole key is in the tooltip
TIE_DIGITS = 9  # means that agree so far differ only by the order of a sum
PROTOCOLS = ("industrial", "medical", "one-vs-all", "multi-class")  # the order of the column groups


@dataclass(frozen=True)
class Metric:
    """A metric's name in the store, on screen, and which way is better."""

    name: str
    label: str
    higher_is_better: bool = True


METRICS = {
    metric.name: metric
    for metric in (
        Metric("auroc", "AUROC"),
        Metric("auprc", "AUPRC"),
        Metric("f1_max", "F1-max"),
        Metric("fpr95", "FPR95", higher_is_better=False),
        Metric("pixel_auroc", "pixel AUROC"),
        Metric("pixel_auprc", "pixel AUPRC"),
        Metric("pixel_aupro", "AUPRO"),
    )
}


@per_frame
def available(results: pd.DataFrame) -> list[str]:
    """Metrics that any result has; those of images always.

    >>> available(pd.DataFrame({"pixel_auroc_mean": [0.9], "pixel_aupro_mean": [None]}))
    ['auroc', 'auprc', 'f1_max', 'fpr95', 'pixel_auroc']
    """
    return [
        name
        for name in METRICS
        if not name.startswith("pixel_")
        or (f"{name}_mean" in results and results[f"{name}_mean"].notna().any())
    ]


@per_frame
def newest_versions(results: pd.DataFrame) -> pd.DataFrame:
    """One method key of each (model, options, setting): older ones are the same with older code.

    The newest that has finished anything; while none has, the newest.

    >>> frame = pd.DataFrame({"model": ["a", "a", "a", "b"], "options": "{}", "n_seeds": [3, 3, 0, 0],
    ...     "method_key": ["old", "new", "planned", "x"], "last_run": ["1", "2", "3", "1"]})
    >>> newest_versions(frame)["method_key"].tolist()
    ['new', 'x']
    """
    ages = _versions(results)
    begun = ages["method_key"].isin(set(results.loc[results["n_seeds"] > 0, "method_key"]))
    first = ages.assign(begun=~begun).sort_values(["begun", "age"], kind="stable").drop_duplicates(VERSIONS)
    return results[results["method_key"].isin(set(first["method_key"]))]


@per_frame
def current_versions(results: pd.DataFrame) -> pd.DataFrame:
    """The newest method key of each (model, options, setting), and older ones while they have what it lacks.

    An older version goes when the newest has every cell that the older had finished: what is planned anew
    never hides a number.

    >>> frame = pd.DataFrame({"model": "a", "options": "{}", "dataset": "d", "column_key": "c", "shots": 2,
    ...     "method_key": ["old", "new"], "last_run": ["1", "2"], "complete": [True, False]})
    >>> current_versions(frame)["method_key"].tolist()
    ['old', 'new']
    >>> current_versions(frame.assign(complete=True))["method_key"].tolist()
    ['new']
    """
    newest = set(_versions(results).query("age == 0")["method_key"])
    is_newest, done = results["method_key"].isin(newest), results["complete"].astype(bool)
    told = results.assign(setting=settings(results))
    cells = pd.MultiIndex.from_frame(told[[*VERSIONS, *COLUMN, "shots"]])
    lacking = ~is_newest & done & ~cells.isin(cells[is_newest & done])
    return results[results["method_key"].isin(newest | set(results.loc[lacking, "method_key"]))]


def _versions(results: pd.DataFrame) -> pd.DataFrame:
    """Distinct rows with their ``setting`` and ``age``. Another precision or auxiliary set is no other version."""
    return _ages(results.assign(setting=settings(results)), [*VERSIONS, "method_key"])


def settings(results: pd.DataFrame) -> pd.Series:
    """What a grid made each line's method of beside its options, as JSON (:data:`gad.harness.store.read.MARKS`)."""
    return results["method_key"].map(_marks(results)["setting"]).fillna("{}")


def _ages(results: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Distinct ``names`` with ``age``: 0 for the newest last name within the other ones, then 1, 2 ..."""
    found = results.groupby(names, as_index=False, sort=True)["last_run"].max()
    # The key breaks the tie of two versions that one run planned, so that the order is always the same.
    found = found.sort_values(["last_run", names[-1]], ascending=False, kind="stable")
    found["age"] = found.groupby(names[:-1]).cumcount()
    return found.sort_values([*names[:-1], "age"], kind="stable").reset_index(drop=True)


@per_frame
def rows(results: pd.DataFrame) -> pd.DataFrame:
    """The table's rows in order: ``model, options, method_key, detail, note``.

    ``detail`` names only the options, and choices of the grid, in which rows of one model differ; ``note``
    says what has to be said of a method wherever it stands, and marks older versions.

    >>> frame = pd.DataFrame({"model": ["knn", "knn"], "options": ['{"k": 1, "p": 2}', '{"k": 3, "p": 2}'],
    ...     "method_key": ["x", "y"], "last_run": ["1", "1"]})
    >>> rows(frame)["detail"].tolist()
    ['k=1', 'k=3']
    """
    found = _versions(results)
    differing = {model: _differing(own) for model, own in found.groupby("model")}
    found["detail"] = [_detail(_fields(row), differing[row.model]) for row in found.itertuples()]
    said = found["method_key"].map(_marks(results)["note"])
    apart = found["method_key"].isin(transductive(results))
    found["note"] = [
        " · ".join(filter(None, [mark, note, "transductive" if is_apart else ""]))
        for mark, note, is_apart in zip(said, _age_notes(found), apart, strict=True)
    ]
    return found.drop(columns=["last_run", "setting"])


def _marks(results: pd.DataFrame) -> pd.DataFrame:
    """By method key :data:`gad.harness.store.read.MARKS`; absent ones are empty."""
    empty = {"generated": False, "note": "", "setting": "{}"}
    marks = pd.DataFrame({"method_key": results["method_key"], **empty})
    for name in empty:
        if name in results:
            marks[name] = results[name]
    return marks.drop_duplicates("method_key").set_index("method_key")


@per_frame
def columns(results: pd.DataFrame) -> pd.DataFrame:
    """The table's columns by protocol and name: ``dataset, column_key, protocol, test_images, note``.

    Take them from all results, before choosing a K, so that a column has one name at every K.

    >>> frame = pd.DataFrame({"dataset": ["d", "d"], "column_key": ["aaaaaaaa", "bbbbbbbb"],
    ...     "last_run": ["2", "1"], "protocol": ["medical", "medical"], "test_images": [None, 40]})
    >>> columns(frame)["note"].tolist()
    ['', 'older bbbbbb · at most 40 images']
    """
    known = results.drop_duplicates(COLUMN)[[*COLUMN, "protocol", "test_images"]]
    found = _ages(results, COLUMN).merge(known, on=COLUMN, how="left", sort=False)
    limits = [f"at most {int(n)} images" if pd.notna(n) else "" for n in found["test_images"]]
    pairs = zip(_age_notes(found), limits, strict=True)
    found["note"] = [" · ".join(filter(None, pair)) for pair in pairs]
    place = found["protocol"].map({name: i for i, name in enumerate(PROTOCOLS)}).fillna(len(PROTOCOLS))
    order = (
        found.assign(place=place).sort_values(["place", "protocol", "dataset", "age"], kind="stable").index
    )
    return found.loc[order].drop(columns="last_run").reset_index(drop=True)


def of_newest_columns(lines: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """The ``lines`` (of jobs, cells ...) under the newest column key that each dataset has in ``results``.

    >>> results = pd.DataFrame({"dataset": "d", "column_key": ["old", "new"], "last_run": ["1", "2"],
    ...     "protocol": "medical", "test_images": None})
    >>> of_newest_columns(results[COLUMN], results)["column_key"].tolist()
    ['new']
    """
    newest = columns(results).query("age == 0")
    return lines[pd.MultiIndex.from_frame(lines[COLUMN]).isin(pd.MultiIndex.from_frame(newest[COLUMN]))]


def _age_notes(found: pd.DataFrame) -> list[str]:
    keys = found["method_key"] if "method_key" in found else found["column_key"]
    pairs = zip(found["age"], keys, strict=True)
    return [f"older {str(key)[:KEY_SHOWN]}" if age else "" for age, key in pairs]


def parse_options(options: str) -> dict[str, Any]:
    """Options as stored (JSON); what is not a JSON object counts as one option named ``options``."""
    try:
        fields = json.loads(options)
    except ValueError:
        fields = options
    return fields if isinstance(fields, dict) else {"options": fields}


def _fields(row: Any) -> dict[str, Any]:
    """Options and setting of a row."""
    return {**parse_options(row.setting), **parse_options(row.options)}


def _differing(of_model: pd.DataFrame) -> list[str]:
    """Names of the options and choices of the grid that are not the same in every row of a model."""
    variants = [_fields(row) for row in of_model.itertuples()]
    names = sorted({name for fields in variants for name in fields})
    return [name for name in names if len({_spell(fields, name) for fields in variants}) > 1]


def _spell(fields: dict[str, Any], name: str) -> str:
    if name not in fields:
        return "unset"
    value = fields[name]
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _detail(fields: dict[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name}={_spell(fields, name)}" for name in names)


@per_frame
def transductive(results: pd.DataFrame) -> set[str]:
    """Keys of the methods that look at the whole test set; none where the frame does not say."""
    if "transductive" not in results:
        return set()
    return set(results.loc[results["transductive"].astype(bool), "method_key"])


def cells(results: pd.DataFrame, shots: int, metric: str) -> pd.DataFrame:
    """Ranked cells of the table for one K and metric, one line each.

    ``mean`` and ``std`` are over the ``n`` finished of ``planned`` seeds; ``rank`` is 1 for the best of
    its column. Only complete cells are ranked, and none of ``generated`` weights; ties share a rank, and the
    next one is skipped. ``transductive`` methods, who see the whole test set, are ranked among themselves.

    >>> frame = pd.DataFrame({"model": ["a", "b", "c"], "options": "{}", "method_key": ["x", "y", "z"],
    ...     "dataset": "d", "column_key": "k", "shots": 2, "auroc_mean": [0.7, 0.8, 0.9], "auroc_std": 0.0,
    ...     "n_seeds": [3, 3, 2], "n_planned": 3, "n_failed": [0, 0, 1], "complete": [True, True, False]})
    >>> cells(frame, 2, "auroc")["rank"].tolist()
    [2, 1, <NA>]
    """
    at_k = results[results["shots"] == shots]
    found = at_k[[*ROW, *COLUMN]].copy()
    found["mean"] = at_k[f"{metric}_mean"].astype("float64")
    found["std"] = at_k[f"{metric}_std"].astype("float64")
    found["n"], found["planned"], found["failed"] = at_k["n_seeds"], at_k["n_planned"], at_k["n_failed"]
    found["complete"] = at_k["complete"].astype(bool)
    found["generated"] = found["method_key"].map(_marks(results)["generated"]).astype(bool)
    found["transductive"] = found["method_key"].isin(transductive(results))
    ranked = found[found["complete"] & found["mean"].notna() & ~found["generated"]]
    groups = [ranked[name] for name in [*COLUMN, "transductive"]]
    means = ranked["mean"].round(TIE_DIGITS)
    ranks = means.groupby(groups).rank(method="min", ascending=not METRICS[metric].higher_is_better)
    found["rank"] = ranks.reindex(found.index).astype("Int64")
    return found.reset_index(drop=True)


def pivot(ranked: pd.DataFrame, value: str = "mean") -> pd.DataFrame:
    """One field of :func:`cells` as methods x datasets; a cell that no run asked for is missing.

    >>> frame = pd.DataFrame({"model": ["a", "b"], "options": "{}", "method_key": ["x", "y"],
    ...     "dataset": "d", "column_key": "k", "mean": [0.7, 0.8]})
    >>> pivot(frame).loc[("b", "{}", "y"), ("d", "k")]
    np.float64(0.8)
    """
    return ranked.set_index([*ROW, *COLUMN])[value].unstack(COLUMN)
