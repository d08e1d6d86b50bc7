"""K-curves: a metric against the number of shots, one small figure for each dataset."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gad.harness.nouns import spelled_shots
from gad.leaderboard.drawing import axis, base_layout, figure
from gad.leaderboard.ranking import METRICS, ROW
from gad.leaderboard.text import plotly_text, row_name

# Okabe and Ito's palette, which colour-blind readers can tell apart; black would vanish on a dark page.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A8A", "#B8A800")
# Plotly's and CSS's name of each line style: the palette starts over with the next one.
LINES = (("solid", "solid"), ("dash", "dashed"), ("dot", "dotted"), ("dashdot", "double"))
BAND_OPACITY = 0.13
PANEL_MARGIN = {"l": 38, "r": 8, "t": 6, "b": 42}
RowKey = tuple[str, str, str]


@dataclass(frozen=True)
class Style:
    """How one method is drawn, everywhere."""

    colour: str
    dash: str = "solid"
    css_line: str = "solid"


def styles(rows: pd.DataFrame) -> dict[RowKey, Style]:
    """A style for each row of :func:`gad.leaderboard.ranking.rows`, in order."""
    found: dict[RowKey, Style] = {}
    for place, row in enumerate(rows.itertuples()):
        dash, css_line = LINES[place // len(COLOURS) % len(LINES)]
        found[row.model, row.options, row.method_key] = Style(COLOURS[place % len(COLOURS)], dash, css_line)
    return found


def shared_range(results: pd.DataFrame, metric: str) -> tuple[float, float]:
    """One range for the y axes of all panels, so that they can be compared by eye."""
    mean = results[f"{metric}_mean"]
    spread = results[f"{metric}_std"].fillna(0)
    low, high = (mean - spread).min(), (mean + spread).max()
    if pd.isna(low):
        return 0.0, 1.0
    margin = max(0.02, 0.06 * (high - low))
    return float(low - margin), float(high + margin)


Points = dict[RowKey, list[dict[str, Any]]]


def by_panel(results: pd.DataFrame) -> dict[tuple[str, str], Points]:
    """Lines of results by (dataset, column key) and method, by K; plain, for pages draw hundreds."""
    found: dict[tuple[str, str], Points] = {}
    for line in results.sort_values("shots", kind="stable").to_dict("records"):
        panel = found.setdefault((line["dataset"], line["column_key"]), {})
        panel.setdefault(tuple(line[name] for name in ROW), []).append(line)
    return found


def k_curves(
    points: Points,
    called: dict[RowKey, str],
    looks: dict[RowKey, Style],
    *,
    metric: str,
    shots: list[int],
    limits: tuple[float, float],
) -> go.Figure:
    """The panel of one dataset: a line for each method, with a band of ± one standard deviation.

    ``points`` are of one panel (:func:`by_panel`), each with a mean; ``called`` as from :func:`names`. ``shots``
    (the ticks) and ``limits`` (of y) are those of all panels.
    """
    places = _places(shots)
    traces = []
    for key, own in points.items():
        placed = [{**point, "shots": places[point["shots"]]} for point in own]
        traces += _method(placed, called[key], looks[key], metric)
    return figure(traces, _layout(places, limits))


def _places(shots: list[int]) -> dict[int, float]:
    """Where each K is on the axis, which is logarithmic and has no 0: that stands one step before the rest."""
    least = min((k for k in shots if k), default=1)
    return {k: k or least / 2 for k in shots}


def _ends(places: dict[int, float]) -> list[float]:
    """The range of the axis, as the logarithms that Plotly wants, with room for marks at its ends."""
    low, high = math.log10(min(places.values())), math.log10(max(places.values()))
    room = 0.08 * (high - low) or 0.1
    return [low - room, high + room]


def _method(points: list[dict[str, Any]], name: str, look: Style, metric: str) -> list[dict[str, Any]]:
    """Mean and band of one method; ``points`` are its lines with a mean, by K."""
    spreads = [point[f"{metric}_std"] for point in points]
    known = [point for point in points if pd.notna(point[f"{metric}_std"])]
    line = {
        "x": [point["shots"] for point in points],
        "y": [point[f"{metric}_mean"] for point in points],
        "customdata": [_spread_words(point, metric) for point in points],
        "name": name,
        "mode": "lines+markers",
        "line": {"color": look.colour, "dash": look.dash, "width": 2.2},
        # A hollow mark is a cell that some seeds are missing from.
        "marker": {
            "symbol": ["circle" if point["complete"] else "circle-open" for point in points],
            "size": 7,
            "color": look.colour,
        },
        "hovertemplate": "%{y:.3f}%{customdata}",
    }
    if len(known) == 1:  # a band needs two points
        bars = [0.0 if pd.isna(spread) else spread for spread in spreads]
        line["error_y"] = {"array": bars, "thickness": 1.3, "width": 4}
    return [*([_band(known, look, metric)] if len(known) > 1 else []), line]


def _spread_words(point: dict[str, Any], metric: str) -> str:
    std = point[f"{metric}_std"]
    spread = f" ± {std:.3f}" if pd.notna(std) else ""
    missing = "" if point["complete"] else f" of {point['n_planned']}"
    return f"{spread} (n={point['n_seeds']}{missing})"


def _band(points: list[dict[str, Any]], look: Style, metric: str) -> dict[str, Any]:
    red, green, blue = (int(look.colour[i : i + 2], 16) for i in (1, 3, 5))
    x = [point["shots"] for point in points]
    high = [point[f"{metric}_mean"] + point[f"{metric}_std"] for point in points]
    low = [point[f"{metric}_mean"] - point[f"{metric}_std"] for point in points]
    return {
        "x": [*x, *x[::-1]],
        "y": [*high, *low[::-1]],
        "fill": "toself",
        "fillcolor": f"rgba({red}, {green}, {blue}, {BAND_OPACITY})",
        "line": {"width": 0},
        "mode": "lines",
        "hoverinfo": "skip",
    }


def _layout(places: dict[int, float], limits: tuple[float, float]) -> dict[str, Any]:
    texts = [spelled_shots(k).replace(" ", "<br>") for k in places]
    ticks = {"tickmode": "array", "tickvals": list(places.values()), "ticktext": texts}
    return {
        **base_layout(),
        "margin": PANEL_MARGIN,
        "xaxis": axis("K", type="log", range=_ends(places), showgrid=False, **ticks),
        "yaxis": axis(tickformat=".2f", nticks=5, range=limits),
        "hovermode": "x unified",
    }


def names(rows: pd.DataFrame) -> dict[RowKey, str]:
    """What each row is called in a figure: its model, the options that tell it apart, its age."""
    return {
        (row.model, row.options, row.method_key): plotly_text(row_name(row.model, row.detail, row.note))
        for row in rows.itertuples()
    }


def rank_dots(standing: pd.DataFrame, rows: pd.DataFrame) -> go.Figure:
    """Average ranks of :func:`gad.leaderboard.standings.standings`, best on top, with their intervals."""
    looks, called = styles(rows), names(rows)
    keys = list(standing.index)[::-1]
    average = standing["rank"].tolist()[::-1]
    low, high = (
        standing["low"].fillna(standing["rank"])[::-1],
        standing["high"].fillna(standing["rank"])[::-1],
    )
    marks = {
        "x": average,
        "y": [called[key] for key in keys],
        "mode": "markers",
        "marker": {"size": 11, "color": [looks[key].colour for key in keys]},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": (high.to_numpy() - average).tolist(),
            "arrayminus": (average - low.to_numpy()).tolist(),
            "thickness": 1.6,
            "width": 4,
            "color": "#8A8A8A",
        },
        "customdata": [[a, b] for a, b in zip(low, high, strict=True)],
        "hovertemplate": "%{y}: %{x:.2f} (%{customdata[0]:.2f} to %{customdata[1]:.2f})<extra></extra>",
    }
    among = int(standing["among"].iloc[0])
    layout = {
        **base_layout(height=70 + 30 * len(keys)),
        "xaxis": axis("average rank", range=[among + 0.3, 0.7], dtick=max(1, among // 8), showgrid=False),
        "yaxis": axis(automargin=True, type="category"),
    }
    return figure([marks], layout)


def label(metric: str) -> str:
    """The metric's name with the direction that is better."""
    found = METRICS[metric]
    return f"{found.label} {'↑' if found.higher_is_better else '↓'}"


def learning_curve(losses: list[float], smoothed: list[float]) -> go.Figure:
    """Training loss by step, and smoothed."""
    steps = list(range(1, len(losses) + 1))
    traces = [
        {"x": steps, "y": losses, "mode": "lines", "line": {"color": COLOURS[0], "width": 1}, "opacity": 0.3},
        {"x": steps, "y": smoothed, "mode": "lines", "line": {"color": COLOURS[0], "width": 2.2}},
    ]
    layout = {**base_layout(), "xaxis": axis("step", showgrid=False), "yaxis": axis("loss")}
    return figure([{**trace, "hovertemplate": "%{y:.4f}<extra></extra>"} for trace in traces], layout)
