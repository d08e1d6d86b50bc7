"""The worked example of docs/leaderboard.md, from the main table down to an image, with its own figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import Bench

from gad.harness.store import read
from gad.leaderboard import board, curves, details, queries

GUIDE = (Path(__file__).parents[2] / "docs/leaderboard.md").read_text()
GRID = "models: [pixel-knn]\ndatasets: [textures]\nshots: [4]\nseeds: [0, 1, 2]\n"
IMAGE = "fabric/test/good/003.bmp"


def test_the_worked_example_has_the_figures_of_its_jobs(tmp_path: Path, bundled: Path, cluster: str) -> None:
    bench = Bench(tmp_path, data=bundled)
    bench.run("submit", "--grid", bench.grid(GRID), "--address", cluster)
    found = queries.load(bench.results)
    made = board.make(found.datasets, found.costs, board.View(shots=4, metric="auroc", extras=()))
    assert f"The cell says {made.cells[0, 0].figure.text()} over three seeds" in GUIDE

    lines = read.results(bench.results, "category")
    categories = sorted({line["category"] for line in lines})
    spread = {c: np.std([x["auroc"] for x in lines if x["category"] == c], ddof=1) for c in categories}
    assert len(categories) == 6
    assert all(std < 0.08 for category, std in spread.items() if category != "fabric")
    fabric = sorted((x for x in lines if x["category"] == "fabric"), key=lambda x: x["seed"])
    values = [line["auroc"] for line in fabric]
    assert f"`fabric` has {np.mean(values):.3f} ± {spread['fabric']:.3f}" in GUIDE
    assert "have {:.4f}, {:.4f} and {:.4f}".format(*values) in GUIDE

    scores = [details.scores(bench.results, [line["part_id"]]) for line in fabric]
    first = curves.picked(scores[0], "alarms", 1).iloc[0]
    assert (first["sample_id"], f"{first['standing']:.0%}") == (IMAGE, "96%")
    assert all(IMAGE in set(curves.picked(own, "alarms", 3)["sample_id"]) for own in scores)
    assert first["standing"] == pytest.approx(1 - 1 / 28)

    normal = scores[0].loc[scores[0]["label"] == 0]
    anomalous = scores[0].loc[scores[0]["label"] == 1, "score"].to_numpy()
    assert (len(normal), len(anomalous)) == (20, 28)
    without = normal.loc[normal["sample_id"] != IMAGE, "score"].to_numpy()
    area = (anomalous[None, :] > without[:, None]).mean()
    assert f"(20 · {values[0]:.4f} − 1/28) / 19 = {area:.4f}: {area - values[0]:.4f} more" in GUIDE
    assert f"in the main table, {(area - values[0]) / 18:.4f}." in GUIDE
