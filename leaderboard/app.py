"""The leaderboard's page. ``streamlit run app.py -- --results FOLDER``; see :mod:`gad.leaderboard.serve`.

Every two seconds the page looks whether newer results were published, and if so runs again. What has
not changed is then sent unchanged, which a browser does not draw again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pandas as pd
import streamlit as st

from gad.harness.errors import HarnessError
from gad.leaderboard import figures, pieces, queries, ranking, table
from gad.leaderboard.text import visible

T = TypeVar("T", int, str)

Version = tuple[object, ...]

REFRESH_S = 2
ALL = "all"
DEFAULT_RESULTS = Path("gad-results")
PANELS_IN_ROW = 3
CHART_OPTIONS = {"displayModeBar": False, "scrollZoom": False}


def main() -> None:
    """Draw the page."""
    st.set_page_config(page_title="Leaderboard", layout="wide")
    st.html(pieces.style())
    st.html(pieces.title())
    results = arguments().results
    version = queries.version(results)
    try:
        snapshot = queries.load(results)
    except HarnessError as error:
        st.html(pieces.problem(error))
        watch(results, version, None)
        return
    if snapshot.empty:
        watch(results, version, snapshot.jobs)
    else:
        board(results, version, snapshot)


@st.fragment(run_every=REFRESH_S)
def watch(results: Path, version: Version, jobs: pd.DataFrame | None) -> None:
    """The status of ``jobs``, by itself up to date; the whole page runs again when results are newer."""
    if queries.version(results) != version:
        st.rerun()
    progress = queries.progress(results)
    if jobs is not None:
        st.html(pieces.empty(results, progress) if jobs.empty else pieces.status(jobs, progress))


def arguments() -> argparse.Namespace:
    """What comes after ``--`` on Streamlit's command line."""
    parser = argparse.ArgumentParser(prog="leaderboard")
    parser.add_argument("--results", type=Path, default=DEFAULT_RESULTS)
    return parser.parse_known_args(sys.argv[1:])[0]


def board(results: Path, version: Version, snapshot: queries.Snapshot) -> None:
    """Controls, status, table, curves and failures."""
    jobs, found = snapshot.jobs, snapshot.datasets
    columns = ranking.columns(found)
    shots, metric, protocol = controls(found, columns)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        status = st.container(width="content")
        older = show_older(found)
    if not older:
        jobs, found = ranking.newest_versions(jobs), ranking.newest_versions(found)
    # Colours come from every row, whatever is filtered below: a method keeps its own.
    rows = ranking.rows(found)
    looks = figures.styles(rows)
    if protocol != ALL:
        found, columns = found[found["protocol"] == protocol], columns[columns["protocol"] == protocol]
    with status:
        watch(results, version, jobs)
    show_table(found, rows, columns, shots, metric)
    show_curves(found, rows, columns, looks, metric)
    show_failures(jobs[jobs["status"] == "failed"])


def controls(found: pd.DataFrame, columns: pd.DataFrame) -> tuple[int, str, str]:
    """K, metric and protocol, which are kept in the address."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        shots = choose("k", "K", sorted(int(k) for k in found["shots"].unique()))
        metric = choose("metric", "Metric", list(ranking.METRICS), figures.label)
        protocols = [str(name) for name in columns["protocol"].unique()]
        protocol = choose("protocol", "Protocol", [ALL, *protocols], visible) if len(protocols) > 1 else ALL
    return shots, metric, protocol


def show_older(found: pd.DataFrame) -> bool:
    """Whether rows of older code are shown; asked only where there are any."""
    has_older = len(ranking.newest_versions(found)) < len(found)
    return has_older and st.toggle("Show older versions", key="older")


def choose(name: str, label: str, options: list[T], spell: Callable[[T], str] = str) -> T:
    """One of ``options``, kept in the address as ``name`` and through changes of the options."""
    seen = f"{name}-options"
    if name not in st.session_state or st.session_state.get(seen) != options:
        asked = st.session_state.get(name, st.query_params.get(name))
        # Assigned only when the options changed: more often, and a refresh could undo a click.
        st.session_state[name] = next((o for o in options if str(o) == str(asked)), options[0])
        st.session_state[seen] = options
    chosen = st.segmented_control(label, options, key=name, format_func=spell, required=True, wrap=True)
    chosen = options[0] if chosen is None else chosen
    if st.query_params.get(name) != str(chosen):
        st.query_params[name] = str(chosen)
    return chosen


def show_table(
    found: pd.DataFrame, rows: pd.DataFrame, columns: pd.DataFrame, shots: int, metric: str
) -> None:
    """The table, without rows and columns that would be empty."""
    ranked = ranking.cells(found, shots, metric)
    columns = _present(columns, ranked, ranking.COLUMN).reset_index(drop=True)
    rows = _present(rows, ranked, ranking.ROW)
    better = "higher" if ranking.METRICS[metric].higher_is_better else "lower"
    st.html(
        pieces.heading(
            f"{ranking.METRICS[metric].label} at K = {shots}",
            f"Mean ± standard deviation over n seeds; {better} is better. Among complete cells the best of a "
            "dataset is bold and the second best underlined; hatched cells are incomplete and not ranked.",
        )
    )
    st.html(table.table(rows, columns, ranked, shots, metric))


def show_curves(
    found: pd.DataFrame,
    rows: pd.DataFrame,
    columns: pd.DataFrame,
    looks: dict[figures.RowKey, figures.Style],
    metric: str,
) -> None:
    """The metric against K, a panel for each dataset."""
    rows, columns = _present(rows, found, ranking.ROW), _present(columns, found, ranking.COLUMN)
    shots, limits = sorted(int(k) for k in found["shots"].unique()), figures.shared_range(found, metric)
    st.html(
        pieces.heading(
            f"{ranking.METRICS[metric].label} against K",
            "Bands are ± one standard deviation over seeds. Hollow marks are incomplete cells.",
        )
        + pieces.legend(rows, looks)
    )
    panels = list(columns.itertuples())
    for start in range(0, len(panels), PANELS_IN_ROW):
        for place, panel in zip(
            st.columns(PANELS_IN_ROW), panels[start : start + PANELS_IN_ROW], strict=False
        ):
            own = found[(found["dataset"] == panel.dataset) & (found["column_key"] == panel.column_key)]
            figure = figures.k_curves(own, rows, looks, metric=metric, shots=shots, limits=limits)
            place.html(pieces.panel_title(panel.dataset, panel.note))
            key = f"curve {panel.column_key} {visible(panel.dataset)}"
            place.plotly_chart(figure, key=key, config=CHART_OPTIONS)


def show_failures(failed: pd.DataFrame) -> None:
    """Failed jobs, folded away."""
    if not failed.empty:
        with st.expander("Failed jobs"):
            st.html(pieces.failures(failed))


def _present(lines: pd.DataFrame, found: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The ``lines`` whose key occurs in ``found``, in their order."""
    keys = pd.MultiIndex.from_frame(found[names])
    return lines[pd.MultiIndex.from_frame(lines[names]).isin(keys)]


if __name__ == "__main__":
    main()
