"""A model of anomalib in a grid, beside one of ours: from submit to tables, like any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from encoded import pictured
from support import Bench

from gad.leaderboard import queries, ranking
from gad.models.anomalib import signatures
from gad.models.backbones import generated

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        signatures.folder() is None, reason="anomalib is not installed (the extra `anomalib`)"
    ),
]

GRID = """
models:
  - {{name: 'anomalib:Padim', options: {{backbone: 'timm:resnet18:{weights}', side: 32, n_features: 30}}}}
  - pixel-knn
datasets: ['{target}']
shots: [2]
seeds: [0]
maps: all
"""
NAME = "anomalib:Padim"


def test_both_complete_and_the_bridges_scores_are_raw(
    submit: Callable[..., str], bench: Bench, tmp_path: Path
) -> None:
    weights = tmp_path / "resnet18.safetensors"
    generated.write("timm:resnet18", weights)
    submit(GRID.format(weights=weights, target=pictured(tmp_path / "target", 0)))
    rows = {row["model"]: row for row in bench.json("results")}
    assert {name: row["complete"] for name, row in rows.items()} == {NAME: True, "pixel-knn": True}
    assert {name: row["note"] for name, row in rows.items()} == {NAME: "generated weights", "pixel-knn": ""}
    found = queries.load(bench.results).datasets
    assert set(ranking.cells(found, 2, "auroc").set_index("model")["rank"].dropna().index) == {"pixel-knn"}

    scores = bench.query("SELECT score FROM scores JOIN parts USING (part_id) WHERE model LIKE 'anomalib:%'")
    assert len(scores) == 4
    assert min(score for (score,) in scores) > 1  # neither normalised to 0..1 nor clamped
    (kept,) = bench.query(
        "SELECT count(*) FROM part_maps JOIN parts USING (part_id) WHERE model <> 'pixel-knn'"
    )
    assert kept == (1,)

    ((text,),) = bench.query("SELECT method_fields FROM jobs WHERE model LIKE 'anomalib:%'")
    fields = json.loads(text)
    assert fields["options"] == {
        "side": 32,
        "max_epochs": 0,
        "backbone": f"timm:resnet18:{weights}",
        "layers": ["layer1", "layer2", "layer3"],
        "n_features": 30,
    }
    assert fields["generated"] == "timm:resnet18, seed 0"
    assert len(fields["weights"]) == 20
    assert (fields["input"]["size"], fields["auxiliary"]) == (32, None)
    costs = {row["model"]: row for row in bench.json("results", "--layout", "costs")}
    shown = ("warm_seconds", "cold_seconds", "parameters", "peak_memory_mb")
    assert [name for name in shown if not costs[NAME][name]] == []
    assert costs[NAME]["parameters"] > 2_000_000  # three of the network's four stages
