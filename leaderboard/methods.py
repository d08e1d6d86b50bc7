"""Rows as things to choose from: a method key in the address, a name on screen. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from gad.leaderboard import figures, ranking
from gad.leaderboard.text import visible


@dataclass(frozen=True)
class Methods:
    """The rows of some results by method key, best known first, each with its name and its look."""

    names: dict[str, str]
    looks: dict[str, figures.Style]
    models: dict[str, str]

    @property
    def keys(self) -> list[str]:
        return list(self.names)

    def spell(self, key: str) -> str:
        return self.names.get(key, key)


def of(results: pd.DataFrame, shown: pd.DataFrame) -> Methods:
    """Methods that occur in ``shown``; names and looks come from all ``results``, so that they stay the same."""
    rows = ranking.rows(results)
    looks = figures.styles(rows)
    present = set(shown["method_key"])
    found = [row for row in rows.itertuples() if row.method_key in present]
    return Methods(
        {
            row.method_key: visible(
                " ".join(filter(None, [row.model, f"({row.detail})" if row.detail else "", row.note]))
            )
            for row in found
        },
        {row.method_key: looks[row.model, row.options, row.method_key] for row in found},
        {row.method_key: row.model for row in found},
    )
