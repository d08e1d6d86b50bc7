"""Rows as things to choose from: a method key in the address, a name on screen. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from gad.leaderboard import figures, ranking
from gad.leaderboard.text import row_name, visible


@dataclass(frozen=True)
class Methods:
    """The rows of some results by method key, each with its name and its look.

    ``generated`` weights and ``transductive`` methods are those that others cannot be tested against: they come
    last, so that a page which shows the first few shows those that say something of each other.
    """

    names: dict[str, str]
    looks: dict[str, figures.Style]
    generated: frozenset[str] = frozenset()
    transductive: frozenset[str] = frozenset()

    @property
    def keys(self) -> list[str]:
        return list(self.names)

    def spell(self, key: str) -> str:
        return self.names.get(key, key)

    def together(self, keys: list[str]) -> tuple[list[str], str]:
        """Those of ``keys`` that can be tested against the first, itself included, and why the others cannot.

        Nothing looks through generated weights to find out how good a method is; who sees the whole test set
        is only held against others who do.

        >>> looks = dict.fromkeys("abc", figures.Style("#000000"))
        >>> known = Methods(dict(zip("abc", "ABC")), looks, generated=frozenset("c"))
        >>> known.together(["a", "b", "c"])
        (['a', 'b'], 'Left out: C (generated weights).')
        >>> known.together(["c", "a"])
        ([], 'The reference, C, looks through generated weights: nothing is tested against it.')
        """
        if not keys:
            return [], ""
        first = keys[0]
        if first in self.generated:
            said = "looks through generated weights: nothing is tested against it."
            return [], f"The reference, {self.spell(first)}, {said}"
        why = {key: "generated weights" for key in keys if key in self.generated}
        sees = first in self.transductive
        alike = "does not see the whole test set" if sees else "sees the whole test set"
        why |= {key: alike for key in keys if key not in why and (key in self.transductive) != sees}
        said = ", ".join(
            self.spell(key) if self.spell(key).endswith(f"[{reason}]") else f"{self.spell(key)} ({reason})"
            for key, reason in why.items()
        )
        return [key for key in keys if key not in why], f"Left out: {said}." if said else ""


def of(results: pd.DataFrame, shown: pd.DataFrame) -> Methods:
    """Methods that occur in ``shown``; names and looks come from all ``results``, so that they stay the same."""
    rows = ranking.rows(results)
    looks = figures.styles(rows)
    present, apart = set(shown["method_key"]), frozenset(ranking.transductive(shown))
    drawn = shown["method_key"][shown["generated"].astype(bool)] if "generated" in shown else ()
    generated = frozenset(drawn)
    found = [row for row in rows.itertuples() if row.method_key in present]
    found.sort(key=lambda row: (row.method_key in generated, row.method_key in apart))
    return Methods(
        {row.method_key: visible(row_name(row.model, row.detail, row.note)) for row in found},
        {row.method_key: looks[row.model, row.options, row.method_key] for row in found},
        generated,
        apart,
    )
