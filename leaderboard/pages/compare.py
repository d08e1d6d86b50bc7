"""Compare: two or more methods, paired, with what can be told apart and what cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from gad.harness.nouns import spelled_shots
from gad.leaderboard import (
    bootstrap,
    choices,
    comparison,
    details,
    figures,
    intervals,
    methods,
    pieces,
    queries,
    rankdiagram,
    ranking,
    shell,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gad.leaderboard.serve import Folders

MOST = 6  # compared when nobody has chosen


def show(folders: Folders, snapshot: queries.Snapshot) -> None:
    """Choices, differences, tests over datasets, and bootstrap intervals on one dataset."""
    found = ranking.current_versions(snapshot.datasets)
    known = methods.of(snapshot.datasets, found)
    with st.container(horizontal=True, vertical_alignment="top", gap="medium"):
        shots = choices.one("k", "K", sorted(int(k) for k in found["shots"].unique()), spelled_shots)
        metric = choices.one("metric", "Metric", ranking.available(found), figures.label)
        reference = choices.one("reference", "Reference", known.keys, known.spell)
        by = choices.one("by", "Differences by", list(comparison.BY))
    rest = [key for key in known.keys if key != reference]
    chosen = choices.several("methods", "Compared with", rest, known.spell, placeholder=f"the first {MOST}")
    keys = [reference, *(chosen or rest[:MOST])]
    if len(keys) < 2:
        st.html(pieces.nothing("There is only one method: nothing to compare it with."))
        return
    jobs = snapshot.jobs[snapshot.jobs["method_key"].isin(keys) & (snapshot.jobs["shots"] == shots)]
    jobs = ranking.of_newest_columns(jobs, found)
    show_differences(folders.results, jobs, known, keys, metric, by)
    show_tests(found, known, keys, shots, metric)
    show_intervals(folders.results, jobs, known, keys, shots)


def show_differences(
    results: Path, jobs: pd.DataFrame, known: methods.Methods, keys: list[str], metric: str, by: str
) -> None:
    """Paired differences as a table."""
    lines = details.categories(results, jobs["job_id"].tolist()) if by == "category" else jobs
    shots = int(jobs["shots"].iloc[0]) if len(jobs) else 0
    values = comparison.values(lines, shots, metric, by)
    sheet = comparison.sheet(values, keys[0], keys[1:], metric, by, known.spell)
    shell.show_sheet(sheet, f"compare-{metric}-k{shots}-by-{by}")


def show_tests(found: pd.DataFrame, known: methods.Methods, keys: list[str], shots: int, metric: str) -> None:
    """Friedman, Wilcoxon with Holm's correction, and the diagram of average ranks."""
    kept, left = known.together(keys)
    wide = comparison.complete_means(found, kept, shots, metric)
    if len(wide) < 2 or wide.dropna(axis=1).empty:
        st.html(pieces.nothing(f"No dataset is complete for two methods that can be tested. {left}".strip()))
        return
    table, average, groups = comparison.tests(wide, metric, known.spell, left)
    shell.show_sheet(table, f"tests-{metric}-k{shots}")
    joined = "Bars join methods that Wilcoxon's test with Holm's correction does not tell apart at 5 %."
    if comparison.P_VALUES[0] not in table.columns:
        joined = "Nothing was tested, so the bar joins all of them."
    st.html(pieces.heading("Critical-difference diagram", f"Average ranks, best on the left. {joined}"))
    figure = rankdiagram.diagram(average, groups, known.names, known.looks)
    shell.chart(
        figure,
        "critical differences",
        "Average ranks and groups that are not told apart",
        least=rankdiagram.least_width([known.spell(key) for key in average.index]),
    )


def show_intervals(
    results: Path, jobs: pd.DataFrame, known: methods.Methods, keys: list[str], shots: int
) -> None:
    """Image-stratified bootstrap intervals of AUROC on one dataset."""
    kept, left = known.together(keys)
    done = jobs[jobs["method_key"].isin(kept) & (jobs["status"] == "done")]
    if done.empty:
        st.html(pieces.nothing(f"No finished job to draw test images from. {left}".strip()))
        return
    dataset = choices.one("dataset", "Bootstrap on", sorted(done["dataset"].unique()))
    lines = intervals.lines(results, done, kept, dataset)
    drawn = draw(results, queries.stamp(results), lines, intervals.draws_for(intervals.count(lines)))
    if not drawn:
        said = f"No category of {dataset} with both classes was scored by all on the same prompts."
        st.html(pieces.nothing(f"{said} {left}".strip()))
        return
    title = f"Bootstrap of AUROC on {dataset}"
    shell.show_sheet(intervals.sheet(lines, drawn, kept, known, title, left), f"bootstrap-{dataset}-k{shots}")


@st.cache_data(max_entries=32, show_spinner="Drawing…")
def draw(results: Path, _version: object, lines: pd.DataFrame, draws: int) -> dict[str, bootstrap.Floats]:
    """:func:`gad.leaderboard.intervals.draw`, kept: the same choice is often come back to."""
    return intervals.draw(results, lines, draws)


if __name__ == "__main__":
    shell.page("Compare", "What is different, and whether it could be chance.", show)
