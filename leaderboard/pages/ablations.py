"""Ablations: what a method is worth without its parts, or with another value of any option."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from gad.harness.nouns import spelled_shots
from gad.leaderboard import (
    ablation,
    choices,
    differencemap,
    figures,
    optionaxis,
    pieces,
    queries,
    ranking,
    shell,
)

if TYPE_CHECKING:
    from gad.leaderboard.serve import Folders


def show(_: Folders, snapshot: queries.Snapshot) -> None:
    """Choices, the table in the layout of the paper's Table 3, and a heat map."""
    found = snapshot.datasets
    axes = optionaxis.axes(found)
    if not axes:
        st.html(
            pieces.nothing(
                "No two rows differ in one option alone. `harness submit --grid ablation-bundled` makes some."
            )
        )
        return
    with st.container(horizontal=True, vertical_alignment="top", gap="medium"):
        axis = choices.one("axis", "Varied", axes)
        variants = optionaxis.variants(found, axis)
        sizes = variants["family"].value_counts()
        families = [family for family in dict.fromkeys(variants["family"]) if sizes[family] > 1]
        family = choices.one(
            "family", "All else equal", families, lambda name: optionaxis.family_name(name, families)
        )
        variants = variants[variants["family"] == family]
        own = found[found["method_key"].isin(set(variants["method_key"]))]
        shots = choices.one("k", "K", sorted(int(k) for k in own["shots"].unique()), spelled_shots)
        metric = choices.one("metric", "Metric", ranking.available(found), figures.label)
        names = list(variants["variant"])
        reference = choices.one(
            "reference",
            "Compared with",
            names,
            default=optionaxis.FULL if optionaxis.FULL in names else names[0],
        )
    cells = ablation.cells(found, variants, shots, metric)
    averages = ablation.averages(cells, metric)
    if reference not in set(cells["variant"]):
        st.html(pieces.nothing(f"{reference} has no result at K = {spelled_shots(shots)}."))
        return
    if cells["variant"].nunique() < 2:
        st.html(pieces.nothing(f"Nothing but {reference} has a result at K = {spelled_shots(shots)}."))
        return
    shell.show_sheet(
        optionaxis.sheet(cells, averages, reference, shots, metric), f"ablation-{axis}-{metric}-k{shots}"
    )
    st.html(
        pieces.heading(
            "Where it matters",
            f"Difference to {reference} on each dataset, complete cells only"
            f"{'' if ranking.METRICS[metric].higher_is_better else '; lower is better'}. "
            "Blue is above, orange below; the few largest share the fullest colour.",
        )
    )
    differences = optionaxis.matrix(cells, reference).drop(index=reference)
    if differences.isna().all(axis=None):
        st.html(pieces.nothing(f"No dataset is complete for {reference} and another yet."))
        return
    shell.chart(
        differencemap.heat_map(differences),
        "where it matters",
        f"Difference to {reference} by variant and dataset",
        least=differencemap.least_width(differences),
    )


if __name__ == "__main__":
    shell.page("Ablations", "What each part is worth.", show)
