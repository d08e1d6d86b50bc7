"""Figures of image scores: ROC, precision-recall, and histograms of normal against anomalous images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gad.leaderboard import curves
from gad.leaderboard.drawing import axis, base_layout, figure
from gad.leaderboard.figures import COLOURS, Style
from gad.leaderboard.text import plotly_text

NORMAL, ANOMALOUS = COLOURS[5], COLOURS[1]
HEIGHT = 280
Named = Sequence[tuple[str, Style, pd.DataFrame]]


def both_classes(scores: pd.DataFrame) -> bool:
    return 0 < int(scores["label"].sum()) < len(scores)


def roc(methods: Named) -> go.Figure:
    """ROC curves of the scores of one or more methods."""
    traces: list[dict[str, Any]] = [
        {
            "x": [0, 1],
            "y": [0, 1],
            "mode": "lines",
            "line": {"color": "#8A8A8A", "dash": "dot", "width": 1},
            "hoverinfo": "skip",
        }
    ]
    for name, look, scores in methods:
        x, y = curves.roc(scores["label"].to_numpy(np.int8), scores["score"].to_numpy(float))
        traces.append(_line(*curves.thin(x, y), name, look))
    return _figure(traces, "false positive rate", "true positive rate")


def precision_recall(methods: Named) -> go.Figure:
    """Precision-recall curves of the scores of one or more methods."""
    traces = []
    for name, look, scores in methods:
        y, x = curves.precision_recall(scores["label"].to_numpy(np.int8), scores["score"].to_numpy(float))
        traces.append(_line(*curves.thin(x, y), name, look))
    return _figure(traces, "recall", "precision")


def _line(x: list[float], y: list[float], name: str, look: Style) -> dict[str, Any]:
    return {
        "x": x,
        "y": y,
        "mode": "lines",
        "name": plotly_text(name),
        "line": {"color": look.colour, "dash": look.dash, "width": 2.2, "shape": "linear"},
        "hovertemplate": f"%{{x:.3f}}, %{{y:.3f}} {plotly_text(name)}<extra></extra>",
    }


def _figure(traces: list[dict[str, Any]], x: str, y: str) -> go.Figure:
    layout = {
        **base_layout(HEIGHT),
        "xaxis": axis(x, range=[-0.01, 1.01], showgrid=False),
        "yaxis": axis(y, range=[-0.01, 1.02]),
    }
    return figure(traces, layout)


def histogram(scores: pd.DataFrame) -> go.Figure:
    """Scores of normal against anomalous images, each as a share of its own class."""
    values = scores["score"].to_numpy(float)
    edges = np.histogram_bin_edges(values, bins=min(40, max(8, int(np.sqrt(len(values))))))
    traces = []
    for label, name, colour in ((0, "normal", NORMAL), (1, "anomalous", ANOMALOUS)):
        own = values[scores["label"].to_numpy() == label]
        counts = np.histogram(own, edges)[0] / max(1, len(own))
        traces.append(
            {
                "type": "bar",
                "x": ((edges[1:] + edges[:-1]) / 2).tolist(),
                "y": counts.tolist(),
                "name": name,
                "marker": {"color": colour, "line": {"width": 0}},
                "opacity": 0.65,
                "hovertemplate": f"%{{y:.1%}} of {name} images<extra></extra>",
            }
        )
    layout = {
        **base_layout(HEIGHT),
        "barmode": "overlay",
        "bargap": 0.02,
        "xaxis": axis("score", showgrid=False),
        "yaxis": axis("share of the class", tickformat=".0%"),
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.12, "x": 0},
    }
    return figure(traces, layout)
