"""Two machines that share nothing run a half of a grid each; `harness import` makes one table of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Bench

GRID = "models: [pixel-knn, pixel-gaussian]\ndatasets: [textures]\nshots: [1, 2]\nseeds: [0, 1]\n"
MODELS = ("pixel-knn", "pixel-gaussian")


@pytest.mark.timeout(600)
def test_halves_make_the_table_of_the_whole(tmp_path: Path, cluster: str) -> None:
    benches = {name: Bench(tmp_path / name) for name in ("whole", *MODELS)}
    for name, bench in benches.items():
        only = ("--only", f"model={name}") if name in MODELS else ()
        bench.run("submit", "--grid", bench.grid(GRID), "--address", cluster, *only)
    whole, here = benches["whole"], benches["pixel-knn"]
    assert here.table() != whole.table()
    here.here("import", str(benches["pixel-gaussian"].results))
    assert here.table() == whole.table()
    assert here.scores() == whole.scores()
    assert here.json("plan", "--grid", here.grid(GRID))["new"] == 0
