"""The paper's other methods in a grid: generated weights are marked and not ranked, streaming changes no bit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from encoded import pictured
from support import Bench

from gad.leaderboard import exports, queries, ranking, sheetformats
from gad.models.backbones import generated

pytestmark = pytest.mark.timeout(600)

GRID = """
models:
  - {{name: spade, options: {{backbone: '{resnet}'}}}}
  - {{name: padim, options: {{backbone: '{resnet}'}}}}
  - {{name: anomalydino, options: {{backbone: '{vit}'}}}}
  - clip-zero-shot
  - {{name: coop, options: {{context: 4, epochs: 2}}}}
datasets: ['{target}']
auxiliary: '{auxiliary}'
shots: [2]
seeds: [0]
backbone: tiny
"""
DRAWN = {"spade", "padim", "anomalydino"}


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("weights")
    named = {"resnet": ("resnet18", 32), "vit": ("test_vit", 64)}
    places = {key: folder / f"{name}.safetensors" for key, (name, _) in named.items()}
    for key, (name, _) in named.items():
        generated.write(f"timm:{name}", places[key])
    data = {"target": pictured(folder / "target", 0), "auxiliary": pictured(folder / "auxiliary", 1)}
    return GRID.format(
        **data, **{key: f"timm:{name}@{size}:{places[key]}" for key, (name, size) in named.items()}
    )


def test_all_complete_and_generated_weights_are_marked(
    submit: Callable[..., str], bench: Bench, grid: str, tmp_path: Path, cluster: str
) -> None:
    submit(grid)
    rows = {row["model"]: row for row in bench.json("results")}
    assert {name: row["complete"] for name, row in rows.items()} == dict.fromkeys(
        [*DRAWN, "clip-zero-shot", "coop"], True
    )
    assert {name for name, row in rows.items() if row["generated"]} == DRAWN
    assert {rows[name]["note"] for name in DRAWN} == {"generated weights"}
    assert rows["coop"]["note"] == "K counts auxiliary images"
    shown = bench.run("results").stdout
    assert shown.count("generated weights") == len(DRAWN)
    costs = bench.json("results", "--layout", "costs")
    assert {row["model"] for row in costs if row["generated"]} == DRAWN
    assert bench.run("results", "--layout", "costs").stdout.count("generated weights") == len(DRAWN)
    shown_costs = ("warm_seconds", "cold_seconds", "parameters", "peak_memory_mb")
    assert [(row["model"], name) for row in costs for name in shown_costs if not row[name]] == []
    (board,) = exports.boards(bench.results, "auroc", 2).values()
    for make, _, _ in sheetformats.FORMATS.values():
        assert make(board).count("generated weights") == len(DRAWN)
    found = queries.load(bench.results).datasets
    ranks = ranking.cells(found, 2, "auroc").set_index("model")["rank"]
    assert set(ranks.dropna().index) == {"clip-zero-shot", "coop"}
    kept = bench.scores()
    other = Bench(tmp_path / "streamed", data=bench.data)
    # What was trained is taken along; features are not: they are streamed.
    shutil.copytree(bench.folder / "gad-cache/trainings", other.folder / "gad-cache/trainings")
    other.run("submit", "--grid", other.grid(grid), "--features", "stream", "--address", cluster, timeout=500)
    assert other.scores() == kept
