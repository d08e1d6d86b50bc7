"""The prompts of a part and the images that moved its numbers, as a panel of the page on datasets."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from gad.harness.errors import DataError
from gad.leaderboard import choices, curves, details, heatmaps, pictures, pieces, shell
from gad.leaderboard.sheet import Figure, Sheet, Value
from gad.leaderboard.text import escape

if TYPE_CHECKING:
    from gad.leaderboard.serve import Folders

PICTURES = 12
SCORE_DIGITS = 4  # of the largest score; the others get as many decimals
OWN, SHARED, OFF = "own", "shared", "off"
HEATS = {OWN: "each on its own scale", SHARED: "on one scale", OFF: "none"}
NAMES = ("normal", "anomalous")  # by label
SIGNED = "disagreement"
STANDING = {
    "alarms": "share of anomalous images below",
    "missed": "share of normal images above",
    "disagreement": "difference in place",
}


def show(
    folders: Folders, album: pictures.Album, part: Any, scores: pd.DataFrame, beside: pd.DataFrame | None
) -> None:
    """The prompts, and the images that cost most; ``beside`` are the scores of another method."""
    try:
        samples = album.samples(part.category)
    except DataError as error:  # a damaged manifest: the numbers stand, and say why there are no pictures
        album, samples = pictures.Album(None, error.message), {}
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
    with st.container(horizontal=True, vertical_alignment="top", gap="medium"):
        kind = choices.one("images", "Images", kinds, lambda name: curves.KINDS[name])
        heat = chosen_heat(folders, album, part)
    found = curves.picked(scores, kind, PICTURES, beside)
    if heat is not None:
        st.html(f'<div class="gad"><p class="muted">{escape(heatmaps.words(heat))}</p></div>')
    cards = [
        pictures.card(album, samples.get(line.sample_id), line.sample_id, caption(line, kind, heat), heat)
        for line in found.itertuples()
    ]
    st.html(pictures.gallery(cards) if cards else pieces.nothing("There are none."))
    shell.show_sheet(sheet(found, kind), f"images-{kind}")


def chosen_heat(folders: Folders, album: pictures.Album, part: Any) -> heatmaps.Heat | None:
    """The maps kept of a part, on the scale that is asked for; None where there are none or none are wanted."""
    heat = heatmaps.find(folders.results, part.part_id) if album.prepared is not None else None
    if heat is None or heat.why:
        return heat
    scale = choices.one("heat", "Heat maps", list(HEATS), lambda name: HEATS[name])
    return None if scale == OFF else replace(heat, shared=scale == SHARED)


def sheet(found: pd.DataFrame, kind: str) -> Sheet:
    """The images as a table."""
    most = max((abs(line.score) for line in found.itertuples()), default=1.0)
    digits = max(0, SCORE_DIGITS - 1 - math.floor(math.log10(most or 1.0)))
    table: list[list[Value]] = [
        [
            line.sample_id,
            NAMES[line.label],
            line.defect,
            Figure(line.score, digits=digits),
            Figure(line.standing, signed=kind == SIGNED),
        ]
        for line in found.itertuples()
    ]
    columns = ["image", "label", "defect", "score", STANDING[kind]]
    return Sheet(curves.KINDS[kind].capitalize(), columns, table)


def caption(line: Any, kind: str, heat: heatmaps.Heat | None) -> str:
    """What is said beneath a picture."""
    what = line.defect or NAMES[line.label]
    said = {
        "alarms": f"{line.score:.3f}: above {line.standing:.0%} of the anomalous",
        "missed": f"{what}, {line.score:.3f}: below {line.standing:.0%} of the normal",
        SIGNED: f"{what}: {line.standing:+.0%} in place",
    }[kind]
    if heat is None or heat.why:
        return said
    most = heatmaps.most(heat, line.sample_id)
    return f"{said}; no map kept" if most is None else f"{said}; map up to {most:.3g}"
