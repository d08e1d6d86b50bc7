"""The critical-difference diagram: average ranks on a line, and bars over methods that are not told apart."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gad.leaderboard.drawing import base_layout, figure
from gad.leaderboard.figures import Style
from gad.leaderboard.text import plotly_text

BAR = "#8A8A8A"
LETTER, AXIS = 7, 150  # pixels of a letter, and of the ranks between the names


def least_width(names: list[str]) -> int:
    """Pixels below which names on the two sides would run into each other's lines."""
    return 2 * LETTER * max(map(len, names), default=0) + AXIS


def diagram(
    average: pd.Series, groups: list[list[str]], names: dict[str, str], looks: dict[str, Style]
) -> go.Figure:
    """``average`` ranks by method key, ``groups`` as from :func:`gad.leaderboard.significance.cliques`."""
    order = average.sort_values(kind="stable")
    keys = list(order.index)
    half = (len(keys) + 1) // 2
    beside = max(0.4, 0.3 * (len(keys) - 1))  # for names: on a phone they would else cross the lines
    traces: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for place, key in enumerate(keys):
        left = place < half
        height = -(place + 1) if left else -(len(keys) - place)
        rank = float(order[key])
        edge = 1 - beside if left else len(keys) + beside
        traces.append(
            {
                "x": [rank, rank, edge],
                "y": [0, height, height],
                "mode": "lines",
                "line": {"color": looks[key].colour, "width": 1.8},
                "hoverinfo": "skip",
            }
        )
        notes.append(
            {
                "x": edge,
                "y": height,
                "text": f"{plotly_text(names[key])}  {rank:.2f}"
                if left
                else f"{rank:.2f}  {plotly_text(names[key])}",
                "xanchor": "left" if left else "right",
                "yanchor": "bottom",
                "showarrow": False,
            }
        )
    for level, group in enumerate(groups):
        ends = [float(order[key]) for key in group]
        traces.append(
            {
                "x": [min(ends) - 0.05, max(ends) + 0.05],
                "y": [-0.25 - 0.22 * level] * 2,
                "mode": "lines",
                "line": {"color": BAR, "width": 6},
                "hovertemplate": plotly_text(", ".join(names[key] for key in group)) + "<extra></extra>",
            }
        )
    layout = {
        **base_layout(height=70 + 34 * (half + 1)),
        "margin": {"l": 4, "r": 4, "t": 26, "b": 4},
        "annotations": notes,
        "xaxis": {
            "range": [1 - beside, len(keys) + beside],
            "tickvals": list(range(1, len(keys) + 1)),
            "side": "top",
            "zeroline": False,
            "showgrid": True,
        },
        "yaxis": {"range": [-half - 0.9, 0.2], "visible": False},
    }
    return figure(traces, layout)
