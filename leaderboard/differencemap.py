"""Differences of variants to one of them as a heat map: which component, or option, matters where."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gad.leaderboard.drawing import axis, base_layout, figure
from gad.leaderboard.sheet import Figure
from gad.leaderboard.text import plotly_text

# Orange, nothing, blue: clear enough for the page's own text to be read on them, light or dark.
HEAT = [[0, "rgba(213, 94, 0, 0.75)"], [0.5, "rgba(140, 140, 140, 0.1)"], [1, "rgba(0, 114, 178, 0.75)"]]
CELL, LETTER = 62, 7  # pixels of a number with its sign, and of a letter


def least_width(differences: pd.DataFrame) -> int:
    """Pixels below which numbers or names would run into each other."""
    name = max((len(str(name)) for name in differences.columns), default=0)
    beside = max((len(str(name)) for name in differences.index), default=0)
    return LETTER * beside + max(CELL, LETTER * name) * len(differences.columns)


def heat_map(differences: pd.DataFrame) -> go.Figure:
    """Signed differences, variants x datasets: blue is above, orange below, nothing for what is missing.

    Colours reach as far as nine in ten differences do: one variant that fails would else leave the others grey.
    """
    sizes = differences.abs().to_numpy(float)
    largest = max(0.01, float(np.nanquantile(sizes, 0.9))) if np.isfinite(sizes).any() else 0.01
    values = differences.astype(object).where(differences.notna(), None)
    trace = {
        "type": "heatmap",
        "z": values.to_numpy().tolist(),
        "x": [plotly_text(name) for name in differences.columns],
        "y": [plotly_text(name) for name in differences.index],
        "zmin": -largest,
        "zmax": largest,
        "colorscale": HEAT,
        "showscale": False,  # every cell says its number
        "text": [[_difference(value) for value in line] for line in differences.to_numpy(float)],
        "texttemplate": "%{text}",
        "textfont": {"size": 13},
        "hovertemplate": "%{y} on %{x}: %{text}<extra></extra>",
        "xgap": 3,
        "ygap": 3,
    }
    layout = {
        **base_layout(80 + 38 * len(differences)),
        "margin": {"l": 4, "r": 4, "t": 4, "b": 4},
        "xaxis": axis(side="top", type="category", showgrid=False, automargin=True),
        "yaxis": axis(autorange="reversed", type="category", showgrid=False, automargin=True),
    }
    return figure([trace], layout)


def _difference(value: float) -> str:
    return "" if math.isnan(value) else Figure(value, signed=True).text()
