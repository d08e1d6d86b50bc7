"""Dataset: its card, categories, curves, and the images that moved a number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from gad.harness.nouns import spelled_shots
from gad.leaderboard import (
    choices,
    curvefigures,
    datacards,
    details,
    figures,
    imagepanel,
    jobchoice,
    methods,
    pictures,
    pieces,
    queries,
    ranking,
    shell,
)
from gad.leaderboard.sheet import Figure, Sheet, Value
from gad.leaderboard.text import escape, visible

if TYPE_CHECKING:
    from gad.leaderboard.serve import Folders

NONE = "none"


def show(folders: Folders, snapshot: queries.Snapshot) -> None:
    """Choices from the dataset down to one job and category, and what they hold."""
    found = snapshot.datasets
    names = sorted(found["dataset"].unique())
    with st.container(horizontal=True, vertical_alignment="top", gap="medium"):
        dataset = choices.one("dataset", "Dataset", names)
        column = column_of(found, dataset)
        found = found[(found["dataset"] == dataset) & (found["column_key"] == column)]
        known = methods.of(snapshot.datasets, found)
        method = choices.one("method", "Method", known.keys, known.spell)
        jobs = snapshot.jobs[(snapshot.jobs["dataset"] == dataset) & (snapshot.jobs["column_key"] == column)]
        own = jobs[jobs["method_key"] == method]
        shots = choices.one("k", "K", sorted(int(k) for k in own["shots"].unique()), spelled_shots)
        metric = choices.one("metric", "Metric", ranking.available(found), figures.label)
    own, jobs = own[own["shots"] == shots], jobs[jobs["shots"] == shots]
    lines = details.categories(folders.results, jobs["job_id"].tolist())
    fields = json.loads(details.job(folders.results, own["job_id"].iloc[0])["column_fields"].iloc[0])
    album = pictures.album(folders.data, dataset, str(fields.get("fingerprint", "")))
    st.html(datacards.card(dataset, column, album, lines))
    show_categories(lines, known, method, dataset, metric, shots)
    show_images(folders, album, jobs, lines, known, method)


def column_of(found: pd.DataFrame, dataset: str) -> str:
    """The column that is asked for; asked about only where the dataset has had several."""
    columns = ranking.columns(found)
    columns = columns[columns["dataset"] == dataset]
    notes = {c.column_key: c.note or "newest" for c in columns.itertuples()}
    return choices.one("column", "Data", list(notes), lambda key: notes[key])


def show_categories(
    lines: pd.DataFrame, known: methods.Methods, method: str, dataset: str, metric: str, shots: int
) -> None:
    """Each category's metric, for the method chosen and the best of the others."""
    done = lines[lines["status"] == "done"]
    keys = [method, *(key for key in known.keys if key != method)][:8]
    rows: list[list[Value]] = []
    for category, own in done.groupby("category"):
        cells: list[Value] = [str(category)]
        for key in keys:
            # Trainings on the same prompts are no further draws of these: they are averaged first.
            values = own[own["method_key"] == key].groupby("seed")[metric].mean().dropna()
            spread = float(values.std()) if len(values) > 1 else None
            cells.append(Figure(float(values.mean()), spread, len(values)) if len(values) else None)
        rows.append(cells)
    links = {
        (
            i,
            0,
        ): f"dataset?dataset={_url(dataset)}&method={method}&k={shots}&metric={metric}&category={_url(str(row[0]))}"
        for i, row in enumerate(rows)
    }
    label = ranking.METRICS[metric].label
    note = "Mean ± standard deviation over prompt seeds; the chosen method first."
    sheet = Sheet(f"{label} by category", ["category", *map(known.spell, keys)], rows, note, links)
    shell.show_sheet(sheet, f"{dataset}-categories-{metric}-k{shots}")


def show_images(
    folders: Folders,
    album: pictures.Album,
    jobs: pd.DataFrame,
    lines: pd.DataFrame,
    known: methods.Methods,
    method: str,
) -> None:
    """Curves, prompts and pictures of one category of one job."""
    done = lines[(lines["method_key"] == method) & (lines["status"] == "done")]
    if done.empty:
        st.html(pieces.nothing("None of these jobs has finished a category yet."))
        return
    st.html(pieces.heading("One category of one job"))
    others = [NONE, *(key for key in known.keys if key != method)]
    with st.container(horizontal=True, vertical_alignment="top", gap="medium"):
        category = choices.one("category", "Category", sorted(done["category"].unique()))
        done = done[done["category"] == category]
        seeds = {jobchoice.seed_of(line): line for line in done.itertuples()}
        seed = choices.one("seed", "Seed", list(seeds))
        other = choices.one(
            "other", "Beside it", others, lambda key: known.spell(key) if key != NONE else "nobody"
        )
    part = seeds[seed]
    scores = details.scores(folders.results, [part.part_id])
    named = [(known.spell(method), known.looks[method], scores)]
    second = lines[
        (lines["method_key"] == other) & (lines["category"] == category) & (lines["seed"] == part.seed)
    ]
    second = second[second["status"] == "done"]
    beside = details.scores(folders.results, [second["part_id"].iloc[0]]) if len(second) else None
    if beside is not None:
        named.append((known.spell(other), known.looks[other], beside))
    job = jobs[jobs["job_id"] == part.job_id].iloc[0]
    st.html(part_line(part, job))
    show_curves(named)
    imagepanel.show(folders, album, part, scores, beside)


def part_line(part: Any, job: pd.Series) -> str:
    """The part's metrics, and the way to its job."""
    values = (("AUROC", part.auroc), ("AUPRC", part.auprc), ("F1-max", part.f1_max), ("FPR95", part.fpr95))
    shown = "".join(
        f"<span><small>{name}</small><b>{'—' if pd.isna(value) else f'{value:.4f}'}</b></span>"
        for name, value in values
    )
    return (
        f'<div class="gad gad-figures">{shown}<span><small>of</small>'
        f'<a href="job?job={escape(job["job_id"])}" target="_self">this job</a></span></div>'
    )


def show_curves(named: list[tuple[str, figures.Style, pd.DataFrame]]) -> None:
    """ROC, precision-recall and histograms."""
    usable = [entry for entry in named if curvefigures.both_classes(entry[2])]
    if not usable:
        st.html(pieces.nothing("There is only one class here: no curve is defined."))
        return
    if len(usable) > 1:
        st.html(pieces.lines([(name, look) for name, look, _ in usable]))
    columns = st.columns(3)
    for place, title, figure in (
        (columns[0], "ROC", curvefigures.roc(usable)),
        (columns[1], "Precision-recall", curvefigures.precision_recall(usable)),
        (columns[2], f"Scores of {usable[0][0]}", curvefigures.histogram(usable[0][2])),
    ):
        place.html(pieces.panel_title(title, ""))
        shell.chart(figure, title.split(" of ")[0], visible(title), place)


def _url(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="", errors="replace")


if __name__ == "__main__":
    shell.page("Dataset", "From a number down to the images that moved it.", show)
