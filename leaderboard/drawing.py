"""What all figures share: how they look, and that a browser draws each of them once.

Streamlit's own theme would be quicker to write, but gives every figure a template, at which the browser draws
it a second time; here the style sheet gives figures the page's colours, light or dark. What is saved from a
dark page is therefore dark on clear, too, as a paper wants it.
"""

from __future__ import annotations

import zlib
from typing import Any

import plotly.graph_objects as go

HEIGHT = 215
FONT = '"Source Sans", "Source Sans 3", "Source Sans Pro", sans-serif'  # the first is the page's


def base_layout(height: int = HEIGHT) -> dict[str, Any]:
    """No background of its own, no legend, nothing to drag.

    Margins are fixed: where they follow what is written in them the browser draws twice to find out.
    """
    return {
        "height": height,
        "margin": {"l": 52, "r": 10, "t": 8, "b": 44},
        "font": {"family": FONT, "size": 12},
        "showlegend": False,
        "dragmode": False,
        "paper_bgcolor": "rgba(0, 0, 0, 0)",
        "plot_bgcolor": "rgba(0, 0, 0, 0)",
    }


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """An axis whose numbers keep a little away from it."""
    return {
        "title": title,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 5,
        "tickcolor": "rgba(0, 0, 0, 0)",
        **more,
    }


def figure(traces: list[dict[str, Any]], layout: dict[str, Any]) -> go.Figure:
    """A figure of some traces. Two with the same traces are the same data to the browser, which draws them once."""
    revision = zlib.crc32(repr(traces).encode())
    made = go.Figure({"data": traces, "layout": {**layout, "datarevision": revision, "template": {}}})
    made.layout.template = None
    return made
