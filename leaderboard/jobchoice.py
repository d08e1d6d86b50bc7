"""Choosing a job by what it is: method, dataset, K and seed. A list of thousands of names would be no choice.

The address names the job by its id, too, which is what links from other pages lead to.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from gad.harness.nouns import spelled_shots
from gad.leaderboard import choices, methods, ranking

NONE = "none"
FIELDS = ("method", "dataset", "column", "k", "seed")
LABELS = ("Method", "Dataset", "Data", "K", "Seed")
OTHER = ("Compare with", "Other dataset", "Other data", "Other K", "Other seed")


def choose(jobs: pd.DataFrame, results: pd.DataFrame, *, like: Any = None) -> Any:
    """A line of ``jobs``. With ``like``, another job: of no method at first, then as that one as can be, or None.

    ``results`` are all of ``read.results(by="dataset")``, whose methods and columns have names.
    """
    name, labels, prefix = ("other", OTHER, "other_") if like is not None else ("job", LABELS, "")
    asked = [prefix + field for field in FIELDS]
    choices.stands_for(name, partial(_fields, jobs, asked), asked[0])
    known = methods.of(results, results)
    keys = [NONE, *known.keys] if prefix else known.keys
    method = choices.one(
        asked[0], labels[0], keys, lambda key: "no other" if key == NONE else known.spell(key)
    )
    if method == NONE:
        choices.stood_for(name, "")
        return None
    own = jobs[jobs["method_key"] == method]
    near = like if like is not None else next(own.itertuples())
    dataset = choices.one(asked[1], labels[1], sorted(own["dataset"].unique()), default=near.dataset)
    own = own[own["dataset"] == dataset]
    columns = ranking.columns(results).query("dataset == @dataset")
    notes = {c.column_key: c.note or "newest" for c in columns.itertuples()}
    held = [key for key in notes if key in set(own["column_key"])]
    column = choices.one(asked[2], labels[2], held, lambda key: notes[key])
    own = own[own["column_key"] == column]
    offered = sorted(int(k) for k in own["shots"].unique())
    shots = choices.one(asked[3], labels[3], offered, spelled_shots, default=int(near.shots))
    seeds = {seed_of(line): line for line in own[own["shots"] == shots].itertuples()}
    found = seeds[choices.one(asked[4], labels[4], list(seeds), default=seed_of(near))]
    choices.stood_for(name, found.job_id)
    return found


def _fields(jobs: pd.DataFrame, asked: list[str], job_id: str) -> dict[str, str] | None:
    for line in jobs[jobs["job_id"] == job_id].itertuples():
        values = (line.method_key, line.dataset, line.column_key, str(line.shots), seed_of(line))
        return dict(zip(asked, values, strict=True))
    return None


def seed_of(line: Any) -> str:
    """A job's seed, and that of its training where it has one.

    >>> from types import SimpleNamespace
    >>> seed_of(SimpleNamespace(seed=0, training_seed=8.0)), seed_of(SimpleNamespace(seed=1, training_seed=None))
    ('0, training 8', '1')
    """
    return (
        str(line.seed) if pd.isna(line.training_seed) else f"{line.seed}, training {int(line.training_seed)}"
    )
