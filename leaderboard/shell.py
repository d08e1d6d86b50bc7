"""What every page has around it: heading, status line, notes, live refresh, downloads.

Every two seconds a page looks whether newer results were published, and if so runs again. What has not
changed is then sent unchanged, which a browser does not draw again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from gad.harness.errors import HarnessError
from gad.leaderboard import choices, pieces, queries, sheettable
from gad.leaderboard.serve import Folders
from gad.leaderboard.sheet import Sheet
from gad.leaderboard.sheetformats import FORMATS, stem

REFRESH_S = 2
DEFAULT_RESULTS = Path("gad-results")
CHART = {
    "displaylogo": False,
    "scrollZoom": False,
    "modeBarButtons": [["toImage"]],
    "toImageButtonOptions": {"format": "svg", "filename": "figure"},
}
Version = tuple[object, ...]
Show = Callable[[Folders, queries.Snapshot], None]


def arguments() -> Folders:
    """What comes after ``--`` on Streamlit's command line."""
    parser = argparse.ArgumentParser(prog="leaderboard")
    parser.add_argument("--results", type=Path, default=DEFAULT_RESULTS)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cache", type=Path)
    found = parser.parse_known_args(sys.argv[1:])[0]
    return Folders(found.results, found.data, found.cache)


def page(title: str, note: str, show: Show) -> None:
    """Draw a page: heading and status, then what ``show`` draws of the results, or why there is nothing."""
    st.html(pieces.title(title, note))
    folders = arguments()
    version = queries.version(folders.results)
    try:
        snapshot = queries.load(folders.results)
        watch(folders.results, version, snapshot.jobs)
        said = st.container()
        if not snapshot.empty:
            show(folders, snapshot)
    except HarnessError as error:
        st.html(pieces.problem(error))
        watch(folders.results, version, None)
        return
    if words := choices.notes():
        said.html(words)


@st.fragment(run_every=REFRESH_S)
def watch(results: Path, version: Version, jobs: pd.DataFrame | None) -> None:
    """The status of ``jobs``, by itself up to date; the whole page runs again when results are newer."""
    if queries.version(results) != version:
        st.rerun()
    progress = queries.progress(results)
    if jobs is not None:
        st.html(pieces.empty(results, progress) if jobs.empty else pieces.status(jobs, progress))


def headed() -> tuple[Any, Any]:
    """A place for a heading, and one beside it for what can be downloaded."""
    said, saved = st.columns([0.86, 0.14], vertical_alignment="bottom")
    return said, saved


def show_sheet(sheet: Sheet, name: str) -> None:
    """A sheet with its heading, as a table that can be downloaded as ``name``."""
    said, saved = headed()
    said.html(pieces.heading(sheet.title, sheet.note))
    with saved:
        downloads(sheet, name)
    if sheet.rows:
        st.html(sheettable.html(sheet))
    else:
        st.html(pieces.nothing("Nothing to show here yet."))


def downloads(sheet: Sheet, name: str) -> None:
    """The sheet as CSV, Markdown and LaTeX."""
    with st.popover("Download", key=f"download {name}", width="stretch"):
        for label, kind in (("CSV", "csv"), ("Markdown", "md"), ("LaTeX (booktabs)", "latex")):
            make, ending, mime = FORMATS[kind]
            st.download_button(
                label,
                partial(_bytes, make, sheet),  # made when somebody asks for it
                file_name=f"{stem(name)}.{ending}",
                mime=mime,
                key=f"download {name} {kind}",
                on_click="ignore",
                type="tertiary",
            )


def _bytes(make: Callable[[Sheet], str], sheet: Sheet) -> bytes:
    return make(sheet).encode()


def chart(figure: Any, key: str, alt: str, place: Any = None, least: int = 0) -> None:
    """A figure that can be saved as SVG from its corner; where there are fewer than ``least`` pixels it scrolls."""
    options = {**CHART, "toImageButtonOptions": {"format": "svg", "filename": stem(key)}}
    place = place or st
    if least:
        name = f"scrolling-{stem(key)}"
        st.html(pieces.scrolling(name, least))
        place = place.container(key=name)
    place.plotly_chart(figure, key=key, config=options, alt=alt, theme=None)
