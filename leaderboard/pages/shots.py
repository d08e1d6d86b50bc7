"""Shots: a metric against K, one panel for each dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from gad.leaderboard import choices, figures, methods, pieces, queries, ranking, shell, spreads
from gad.leaderboard.text import visible

if TYPE_CHECKING:
    from gad.leaderboard.serve import Folders

PANELS_IN_ROW = 3
MOST_LINES = 6  # shown when nobody has chosen; of more, none can be followed in a small panel


def show(_: Folders, snapshot: queries.Snapshot) -> None:
    """Choices, panels, and the same numbers as a table."""
    found = ranking.current_versions(snapshot.datasets)
    known = methods.of(snapshot.datasets, found)
    columns = ranking.columns(found)
    with st.container(horizontal=True, vertical_alignment="top", gap="medium"):
        metric = choices.one("metric", "Metric", ranking.available(found), figures.label)
        over = choices.one("over", "Bands over", list(spreads.OVER), lambda name: spreads.OVER[name])
        protocol = choices.one("protocol", "Datasets", ["all", *dict.fromkeys(columns["protocol"])])
    chosen = choices.several(
        "methods", "Methods", known.keys, known.spell, placeholder=f"the first {MOST_LINES}"
    )
    found = found[found["method_key"].isin(chosen or known.keys[:MOST_LINES])]
    if protocol != "all":
        found = found[found["protocol"] == protocol]
    if found.empty:
        st.html(pieces.nothing("No result matches these choices."))
        return
    found = spreads.bands(found, snapshot.jobs, metric, over)
    if over == "training" and not (found["n_over"] > 1).any():
        st.html(
            pieces.nothing("No method here was trained with more than one training seed: there are no bands.")
        )
    if found[f"{metric}_mean"].isna().all():
        st.html(pieces.nothing("None of these methods has finished anything here yet."))
        return
    show_panels(found, ranking.rows(snapshot.datasets), columns, metric, spreads.OVER[over])
    shell.show_sheet(
        spreads.sheet(found, known.keys, known.spell, metric, spreads.OVER[over]), f"shots-{metric}"
    )


def show_panels(
    found: pd.DataFrame, rows: pd.DataFrame, columns: pd.DataFrame, metric: str, over: str
) -> None:
    """The metric against K, a panel for each dataset."""
    looks = figures.styles(rows)
    rows = rows[rows["method_key"].isin(set(found["method_key"]))]
    shots, limits = sorted(int(k) for k in found["shots"].unique()), figures.shared_range(found, metric)
    st.html(
        pieces.heading(
            f"{ranking.METRICS[metric].label} against K",
            f"Bands are ± one standard deviation over {over}. Hollow marks are incomplete cells.",
        )
        + pieces.legend(rows, looks)
    )
    called = figures.names(rows)
    drawn = figures.by_panel(found[found[f"{metric}_mean"].notna()])
    panels = [panel for panel in columns.itertuples() if (panel.dataset, panel.column_key) in drawn]
    for start in range(0, len(panels), PANELS_IN_ROW):
        for place, panel in zip(
            st.columns(PANELS_IN_ROW), panels[start : start + PANELS_IN_ROW], strict=False
        ):
            own = drawn[panel.dataset, panel.column_key]
            figure = figures.k_curves(own, called, looks, metric=metric, shots=shots, limits=limits)
            place.html(pieces.panel_title(panel.dataset, panel.note))
            name = f"curve {panel.column_key} {visible(panel.dataset)}"
            shell.chart(figure, name, f"{metric} against K on {visible(panel.dataset)}", place)


if __name__ == "__main__":
    shell.page("Shots", "What another normal image is worth.", show)
