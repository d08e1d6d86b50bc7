"""The leaderboard. ``streamlit run app.py -- --results FOLDER``; see :mod:`gad.leaderboard.serve`.

This file lies among the pages: beside a folder called ``pages`` Streamlit would serve that folder's files
by themselves, until somebody has opened the main page.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from gad.leaderboard import pieces

PAGES = {
    "leaderboard": "Leaderboard",
    "shots": "Shots",
    "ablations": "Ablations",
    "compare": "Compare",
    "dataset": "Dataset",
    "job": "Job",
    "runs": "Runs",
}
DEFAULT = "leaderboard"  # the page at the address without a name


def main() -> None:
    """Draw the page that the address names."""
    st.set_page_config(page_title="Few-shot anomaly detection", layout="wide")
    st.html(pieces.style())
    pages = [
        st.Page(Path(__file__).with_name(f"{name}.py"), title=title, url_path=name, default=name == DEFAULT)
        for name, title in PAGES.items()
    ]
    st.navigation(pages, position="top").run()


if __name__ == "__main__":
    main()
