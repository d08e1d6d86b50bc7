"""What scoring costs, as columns beside the main table's datasets. Pure: a frame in, cells out."""

from __future__ import annotations

import pandas as pd

from gad.leaderboard.boardcells import Cell
from gad.leaderboard.sheet import Figure

SPENT = ("images", "warm_seconds", "cold_seconds", "parameters", "peak_memory_mb")
COSTS = {
    "ms/image": "milliseconds an image, its features at hand (scoring alone), mean over all images scored",
    "ms/image cold": "with decoding and encoding, where these results encoded anything",
    "parameters (M)": "parameters of the model, its encoder included, in millions",
    "memory (MB)": "largest memory of a scoring process",
}


def cell(name: str, found: dict[str, float]) -> Cell | None:
    value = found.get(name)
    if value is None or pd.isna(value):
        return None
    return Cell(Figure(value, digits=0 if name == "memory (MB)" else 2), words=COSTS[name])


def by_method(costs: pd.DataFrame, shots: int) -> dict[str, dict[str, float]]:
    """What each method costs at one K, over all its datasets: by method key, then by column."""
    own = costs[costs["shots"] == shots].astype({name: float for name in SPENT})
    keys = own["method_key"]
    found = pd.DataFrame(
        {
            "ms/image": 1000 * _weighted(own["warm_seconds"], own["images"], keys),
            "ms/image cold": 1000 * _weighted(own["cold_seconds"], own["images"], keys),
            "parameters (M)": own["parameters"].groupby(keys).max() / 1e6,
            "memory (MB)": own["peak_memory_mb"].groupby(keys).max(),
        }
    )
    return {str(key): dict(line) for key, line in found.iterrows()}


def _weighted(seconds: pd.Series, images: pd.Series, keys: pd.Series) -> pd.Series:
    """Mean seconds an image by key, over what is known; missing where nothing is."""
    known = seconds.notna()
    return (seconds * images).groupby(keys).sum() / images.where(known).groupby(keys).sum(min_count=1)
