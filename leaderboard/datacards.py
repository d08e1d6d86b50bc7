"""What a dataset is, and what of it was scored, as HTML."""

from __future__ import annotations

import pandas as pd

from gad.leaderboard.pictures import Album
from gad.leaderboard.text import escape


def card(dataset: str, column: str, album: Album, lines: pd.DataFrame) -> str:
    """What the dataset is, and what of it was scored."""
    # A job that is planned or has failed does not say how many images its categories have.
    counts = lines.groupby("category")[["n_normal", "n_anomalous"]].max().sum()
    items = [
        f"<b>{lines['category'].nunique()}</b> {'category' if lines['category'].nunique() == 1 else 'categories'}",
        f"<b>{int(counts['n_normal'])}</b> normal and <b>{int(counts['n_anomalous'])}</b> anomalous test images scored",
    ]
    notes, source = [], ""
    prepared = album.prepared
    if prepared is not None:
        items.append(
            f"<b>{sum(c.train_normal for c in prepared.categories)}</b> normal train images to draw prompts from"
        )
        items.append(f"protocol <b>{escape(prepared.protocol)}</b>")
        notes = list(prepared.warnings)
        source = source_line(prepared.licence, prepared.citation)
    title = prepared.title if prepared is not None else dataset
    warned = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f'<div class="gad gad-notice"><h2>{escape(title)}</h2><p>{" · ".join(items)}</p>{source}'
        f'<p class="muted">column key {escape(column)}</p>{f"<ul>{warned}</ul>" if warned else ""}</div>'
    )


def source_line(licence: str, citation: str) -> str:
    """Where a dataset comes from and what may be done with it, as HTML; empty where nothing is known."""
    said = [citation, f"Licence: {licence}" if licence else ""]
    return f"<p>{'<br>'.join(escape(text) for text in said if text)}</p>" if any(said) else ""
