"""Dataset: its card, categories, curves, and the images that moved a number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from gad.leaderboard import (
    choices,
    curvefigures,
    curves,
    details,
    figures,
    heatmaps,
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
PICTURES = 12


def show(folders: Folders, snapshot: queries.Snapshot) -> None:
    """Choices from the dataset down to one job and category, and what they hold."""
    found = snapshot.datasets
    names = sorted(found["dataset"].unique())
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        dataset = choices.one("dataset", "Dataset", names)
        column = column_of(found, dataset)
        found = found[(found["dataset"] == dataset) & (found["column_key"] == column)]
        known = methods.of(snapshot.datasets, found)
        method = choices.one("method", "Method", known.keys, known.spell)
        jobs = snapshot.jobs[(snapshot.jobs["dataset"] == dataset) & (snapshot.jobs["column_key"] == column)]
        own = jobs[jobs["method_key"] == method]
        shots = choices.one("k", "K", sorted(int(k) for k in own["shots"].unique()))
        metric = choices.one("metric", "Metric", ranking.available(found), figures.label)
    own, jobs = own[own["shots"] == shots], jobs[jobs["shots"] == shots]
    lines = details.categories(folders.results, jobs["job_id"].tolist())
    fields = json.loads(details.job(folders.results, own["job_id"].iloc[0])["column_fields"].iloc[0])
    album = pictures.album(folders.data, dataset, str(fields.get("fingerprint", "")))
    st.html(data_card(dataset, column, album, lines))
    show_categories(lines, known, method, dataset, metric, shots)
    show_images(folders, album, jobs, lines, known, method)


def column_of(found: pd.DataFrame, dataset: str) -> str:
    """The column that is asked for; asked about only where the dataset has had several."""
    columns = ranking.columns(found)
    columns = columns[columns["dataset"] == dataset]
    notes = {c.column_key: c.note or "newest" for c in columns.itertuples()}
    return choices.one("column", "Data", list(notes), lambda key: notes[key])


def data_card(dataset: str, column: str, album: pictures.Album, lines: pd.DataFrame) -> str:
    """What the dataset is, and what of it was scored."""
    counts = lines.drop_duplicates("category")[["n_normal", "n_anomalous"]].sum()
    items = [
        f"<b>{lines['category'].nunique()}</b> {'category' if lines['category'].nunique() == 1 else 'categories'}",
        f"<b>{int(counts['n_normal'])}</b> normal and <b>{int(counts['n_anomalous'])}</b> anomalous test images scored",
    ]
    notes, card = [], ""
    prepared = album.prepared
    if prepared is not None:
        items.append(
            f"<b>{sum(c.train_normal for c in prepared.categories)}</b> normal train images to draw prompts from"
        )
        items.append(f"protocol <b>{escape(prepared.protocol)}</b>")
        notes = list(prepared.warnings)
        card = source_line(prepared.licence, prepared.citation)
    title = prepared.title if prepared is not None else dataset
    warned = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f'<div class="gad gad-notice"><h2>{escape(title)}</h2><p>{" · ".join(items)}</p>{card}'
        f'<p class="muted">column key {escape(column)}</p>{f"<ul>{warned}</ul>" if warned else ""}</div>'
    )


def source_line(licence: str, citation: str) -> str:
    """Where a dataset comes from and what may be done with it, as HTML; empty where nothing is known."""
    said = [citation, f"Licence: {licence}" if licence else ""]
    return f"<p>{'<br>'.join(escape(text) for text in said if text)}</p>" if any(said) else ""


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
            values = own.loc[own["method_key"] == key, metric].dropna()
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
    note = "Mean ± standard deviation over seeds; the chosen method first."
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
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        category = choices.one("category", "Category", sorted(done["category"].unique()))
        done = done[done["category"] == category]
        seeds = {job_seed(line): line for line in done.itertuples()}
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
    show_pictures(folders, album, part, scores, beside)


def chosen_heat(folders: Folders, album: pictures.Album, part: Any) -> heatmaps.Heat | None:
    """The maps kept of a part, unless somebody switched them off; what their colours mean is said."""
    heat = heatmaps.find(folders.results, part.part_id) if album.prepared is not None else None
    if heat is None or not choices.flag("heat", "Heat maps", default=True):
        return None
    st.html(f'<div class="gad"><p class="muted">{escape(heatmaps.words(heat))}</p></div>')
    return heat


def job_seed(line: Any) -> str:
    return (
        str(line.seed) if pd.isna(line.training_seed) else f"{line.seed}, training {int(line.training_seed)}"
    )


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
    columns = st.columns(3)
    for place, title, figure in (
        (columns[0], "ROC", curvefigures.roc(usable)),
        (columns[1], "Precision-recall", curvefigures.precision_recall(usable)),
        (columns[2], f"Scores of {usable[0][0]}", curvefigures.histogram(usable[0][2])),
    ):
        place.html(pieces.panel_title(title, ""))
        shell.chart(figure, title.split(" of ")[0], visible(title), place)


def show_pictures(
    folders: Folders, album: pictures.Album, part: Any, scores: pd.DataFrame, beside: pd.DataFrame | None
) -> None:
    """The prompts, and the images that cost most."""
    samples = album.samples(part.category)
    shown = details.prompts(folders.results, [part.part_id])
    cards = [
        pictures.card(album, samples.get(p.sample_id), p.sample_id, p.sample_id) for p in shown.itertuples()
    ]
    if cards:
        st.html(
            pieces.heading("Prompts", "The normal images that the detector was shown.")
            + pictures.gallery(cards)
        )
    kinds = [kind for kind in curves.KINDS if kind != "disagreement" or beside is not None]
    kind = choices.one("images", "Images", kinds, lambda name: curves.KINDS[name])
    found = curves.picked(scores, kind, PICTURES, beside)
    heat = chosen_heat(folders, album, part)
    cards = [
        pictures.card(album, samples.get(line.sample_id), line.sample_id, caption(line, kind), heat)
        for line in found.itertuples()
    ]
    st.html(pictures.gallery(cards) if cards else pieces.nothing("There are none."))
    table: list[list[Value]] = [
        [line.sample_id, "anomalous" if line.label else "normal", line.defect, line.score, line.standing]
        for line in found.itertuples()
    ]
    columns = ["image", "label", "defect", "score", STANDING[kind]]
    shell.show_sheet(Sheet(curves.KINDS[kind].capitalize(), columns, table), f"images-{kind}")


STANDING = {
    "alarms": "share of anomalous images below",
    "missed": "share of normal images above",
    "disagreement": "difference in place",
}


def caption(line: Any, kind: str) -> str:
    what = line.defect or ("anomalous" if line.label else "normal")
    if kind == "alarms":
        return f"{line.score:.3f}: above {line.standing:.0%} of the anomalous"
    if kind == "missed":
        return f"{what}, {line.score:.3f}: below {line.standing:.0%} of the normal"
    return f"{what}: {line.standing:+.0%} in place"


def _url(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="", errors="replace")


if __name__ == "__main__":
    shell.page("Dataset", "From a number down to the images that moved it.", show)
