"""Runs: grids in progress and past, what failed, what it cost, what sharing saved."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from gad.harness.store import live
from gad.leaderboard import details, pieces, queries, shell
from gad.leaderboard.sheet import Sheet, Value

if TYPE_CHECKING:
    from pathlib import Path

    from gad.leaderboard.serve import Folders

REFRESH_S = 2
FEWEST_ENCODED = 50  # images; the first batch of a process is slow


def show(folders: Folders, snapshot: queries.Snapshot) -> None:
    """Runs going on, all runs, failures."""
    going(folders.results)
    shell.show_sheet(sheet(details.runs(folders.results), snapshot.jobs), "runs")
    failed = details.failures(folders.results)
    title = "Failures" if len(failed) else "No part has failed"
    st.html(
        pieces.heading(title, "Parts that have not succeeded since, newest first." if len(failed) else "")
    )
    if len(failed):
        st.html(pieces.tracebacks(failed))


@st.fragment(run_every=REFRESH_S)
def going(results: Path) -> None:
    """Progress of runs that are alive, by itself up to date."""
    alive = [fields for fields in live.read_all(results) if fields["alive"]]
    st.html("".join(pieces.going(fields) for fields in alive) or pieces.nothing("No run is going on."))


def sheet(runs: pd.DataFrame, jobs: pd.DataFrame) -> Sheet:
    """A row for each run: what it asked for, what it cost, what sharing features saved."""
    done = jobs[jobs["status"] == "done"].groupby("last_run").size()
    lines: list[list[Value]] = []
    for run in runs.itertuples():
        asked, finished = int(run.jobs), int(done.get(run.run_id, 0))
        wall = None if pd.isna(run.first) else float(run.last - run.started)
        rate = None if not wall or pd.isna(run.images) else round(float(run.images) / wall)
        lines.append(
            [
                time.strftime("%Y-%m-%d %H:%M", time.gmtime(run.started)),
                run.grid,
                f"{finished} of {asked}" if asked else "superseded",
                _whole(run.parts),
                _whole(run.failed),
                duration(wall),
                rate,
                duration(run.seconds),
                duration(run.encode_seconds),
                duration(run.train_seconds),
                saved(run),
                run.command,
            ]
        )
    columns = ["started (UTC)", "grid", "jobs done", "parts", "failed", "took", "scores/s"]
    columns += ["scoring", "encoding", "training", "saved by sharing", "command"]
    note = (
        "Scoring, encoding and training are summed over processes. Saved: what encoding the images of every part "
        "that looks through an encoder anew would have taken, beyond what was encoded, at this run's own pace. "
        "Superseded: later runs asked for the same jobs."
    )
    return Sheet("Runs", columns, lines, note)


def saved(run: Any) -> str | None:
    """Encoding time that shared features spared; only where this run encoded enough to judge it by.

    By what decoding and the pass took alone: starting a process and loading an encoder is done once in any case.
    """
    if (
        pd.isna(run.encoded)
        or run.encoded < FEWEST_ENCODED
        or pd.isna(run.wanted)
        or pd.isna(run.pass_seconds)
    ):
        return None
    spared = (float(run.wanted) - float(run.encoded)) * float(run.pass_seconds) / float(run.encoded)
    return duration(spared) if spared > 0 else None


def duration(seconds: Any) -> str | None:
    """``1 h 02 min``, ``2 min 05 s``, ``3.2 s``."""
    if seconds is None or pd.isna(seconds):
        return None
    value = float(seconds)
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _whole(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


if __name__ == "__main__":
    shell.page("Runs", "Grids in progress and past.", show)
