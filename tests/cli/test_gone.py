"""Data that were there when they were prepared and are gone when a grid is to run."""

from __future__ import annotations

import shutil
from pathlib import Path

import raws
from support import Bench

GRID = "models: [pixel-knn]\ndatasets: [brainmri]\nshots: [2]\nseeds: [0]\n"


def prepared(tmp_path: Path) -> tuple[Bench, str]:
    bench = Bench(tmp_path)
    raws.medical(bench.folder / "raw", "no", "yes")
    bench.here("data", "prepare", "brainmri", "--raw", "raw")
    return bench, bench.grid(GRID)


def test_a_raw_folder_that_is_gone_is_refused_before_ray_is_started(tmp_path: Path) -> None:
    bench, grid = prepared(tmp_path)
    assert "not there" not in bench.here("plan", "--grid", grid).stdout
    shutil.move(bench.folder / "raw", bench.folder / "elsewhere")
    (lack,) = bench.json("plan", "--grid", grid)["missing"]
    assert str(bench.folder / "raw") in lack["text"]
    said = bench.here("submit", "--grid", grid, code=1).stderr
    assert f"brainmri: {bench.folder / 'raw'}, which its images are in, is not there" in said
    assert "Nothing was started" in said
    assert "node" not in said


def test_a_manifest_that_is_gone_is_named_in_a_line(tmp_path: Path) -> None:
    bench, grid = prepared(tmp_path)
    (bench.data / "brainmri/manifest.parquet").unlink()
    said = bench.here("submit", "--grid", grid, code=1).stderr
    assert "manifest.parquet cannot be read" in said
    assert "LINE 1" not in said
