"""Job: everything recorded of one job, the command that runs it again, and what differs from another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from gad.harness.errors import UsageError
from gad.harness.nouns import spelled_shots
from gad.harness.store import jobdiff
from gad.leaderboard import details, figures, jobchoice, jobwords, pieces, queries, shell, trainingcurves
from gad.leaderboard.sheet import Sheet
from gad.leaderboard.text import escape, visible

if TYPE_CHECKING:
    from gad.leaderboard.serve import Folders

NODE = 12  # hex digits of a node's id, which has 56


def show(folders: Folders, snapshot: queries.Snapshot) -> None:
    """Choose a job, and all about it."""
    with st.container(horizontal=True, vertical_alignment="top", gap="medium"):
        line = jobchoice.choose(snapshot.jobs, snapshot.datasets)
    job_id = line.job_id
    (planned,) = details.job(folders.results, job_id).itertuples()
    st.html(summary(line, planned))
    run = details.ask(folders.results, "SELECT * FROM runs WHERE run_id = ?", (planned.last_run,))
    again = jobwords.rerun(line, run["command"].iloc[0] if len(run) else "")
    st.html(pieces.heading("Run it again", jobwords.rerun_note(line, snapshot.jobs)) + pieces.command(again))
    failed = details.failures(folders.results, job_id)
    if len(failed):
        st.html(pieces.heading("What failed") + pieces.tracebacks(failed))
    show_parts(folders, job_id, line)
    show_training(folders, line)
    fields = jobdiff.fields(folders.results, jobdiff.find(folders.results, job_id))
    kept = [[name, value] for name, value in fields.items() if not name.startswith("prompts.")]
    with st.expander("Options, keys and environment", expanded=False):
        shell.show_sheet(Sheet("Everything its keys are made of", ["field", "value"], kept), f"job-{job_id}")
    show_difference(folders, snapshot, line)


def summary(job: Any, planned: Any) -> str:
    """Status, metrics and where the numbers lead."""
    values = [("AUROC", job.auroc), ("AUPRC", job.auprc), ("F1-max", job.f1_max), ("FPR95", job.fpr95)]
    shown = "".join(
        f"<span><small>{name}</small><b>{'—' if pd.isna(value) else f'{value:.4f}'}</b></span>"
        for name, value in values
    )
    asked = {"dataset": job.dataset, "column": job.column_key, "method": job.method_key, "k": job.shots}
    link = escape(f"dataset?{urlencode({**asked, 'seed': jobchoice.seed_of(job)}, errors='replace')}")
    return (
        f'<div class="gad gad-figures"><span><small>status</small><b>{escape(job.status)}</b></span>{shown}'
        f"<span><small>K</small><b>{spelled_shots(int(job.shots))}</b></span>"
        f"<span><small>parts</small><b>{job.n_done} of {job.n_parts}</b></span></div>"
        f'<div class="gad"><p class="muted">{escape(planned.name)}, first asked for by run '
        f"{escape(planned.first_run)}, "
        f'last by {escape(planned.last_run)}. <a href="{link}" target="_self">Its images</a></p></div>'
    )


def show_parts(folders: Folders, job_id: str, job: Any) -> None:
    """Parts with their time and memory."""
    parts = details.parts(folders.results, job_id)
    lines = [
        [
            *(p.category, p.status, p.seconds, int(p.images or 0), p.peak_memory_mb, p.attempts, p.threads),
            (p.node or "")[:NODE],
        ]
        for p in parts.itertuples()
    ]
    columns = ["category", "status", "seconds", "images", "peak memory (MB)", "attempts", "threads", "node"]
    shell.show_sheet(Sheet("Parts", columns, lines), f"parts-{job_id}")


def show_training(folders: Folders, job: Any) -> None:
    """The learning curve, where the cache still has it."""
    if pd.isna(job.training_seed):
        return
    seed = int(job.training_seed)
    stories = trainingcurves.of(folders.cache, json.loads(job.options), int(job.shots), seed)
    # Nothing is trained on the data it is tested on: that story is of jobs on other datasets.
    stories = [story for story in stories if story["auxiliary"] != job.dataset]
    st.html(pieces.heading("Learning curve", "Loss of every step, and its mean over the last 20."))
    if not stories:
        st.html(
            pieces.nothing("The cache has no training with these options: it was pruned, or lies elsewhere.")
        )
    for story in stories:
        figure = figures.learning_curve(story["losses"], trainingcurves.smooth(story["losses"]))
        st.html(
            pieces.panel_title(
                f"on {story['auxiliary']}", f"{len(story['losses'])} steps, {story['seconds']:.0f} s"
            )
        )
        shell.chart(figure, f"training {story['id']}", f"Training loss on {visible(story['auxiliary'])}")


def show_difference(folders: Folders, snapshot: queries.Snapshot, job: Any) -> None:
    """What differs from another job."""
    st.html(pieces.heading("Beside another job"))
    with st.container(horizontal=True, vertical_alignment="top", gap="medium"):
        beside = jobchoice.choose(snapshot.jobs, snapshot.datasets, like=job)
    if beside is None:
        return
    job_id, other = job.job_id, beside.job_id
    if other == job_id:
        st.html(pieces.nothing("That is the same job: choose another method, dataset, K or seed."))
        return
    try:
        found = jobdiff.difference(folders.results, job_id, other)
    except UsageError as error:
        st.html(pieces.nothing(error.message))
        return
    lines = [list(line) for line in found]
    names = [jobwords.name(job), jobwords.name(beside)]
    sheet = Sheet("What differs", ["field", *names], lines, f"harness diff {job_id} {other}")
    shell.show_sheet(sheet, f"diff-{job_id}-{other}")


if __name__ == "__main__":
    shell.page("Job", "One model on one dataset at one K and seed: all that is recorded.", show)
