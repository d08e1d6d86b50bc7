"""The main job on real photographs: head CT slices and brain MRI."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from support import Bench

pytestmark = pytest.mark.timeout(600)

GRID = """
models: [pixel-knn, pixel-gaussian]
datasets: [headct, brainmri]
shots: [2, 4, 8]
seeds: [0, 1, 2]
"""


@pytest.fixture
def real() -> Path:
    folder = os.environ.get("GAD_REALDATA")
    if not folder:
        pytest.skip("GAD_REALDATA names no folder of real images")
    return Path(folder)


def test_headct_and_brainmri(real: Path, tmp_path: Path, cluster: str) -> None:
    bench = Bench(tmp_path / "bench")
    for name, counts in {"headct": (75, 25, 100), "brainmri": (73, 25, 155)}.items():
        bench.run("data", "prepare", name, "--raw", str(real / name))
        checked = bench.json("data", "check", name)
        (category,) = checked["categories"]
        assert tuple(category[k] for k in ("train_normal", "test_normal", "test_anomalous")) == counts
    path = bench.grid(GRID)
    bench.run("submit", "--grid", path, "--address", cluster)
    jobs = bench.json("results", "--by", "job")
    assert [job["status"] for job in jobs] == ["done"] * 36
    started = time.monotonic()
    again = bench.run("submit", "--grid", path)
    assert time.monotonic() - started < 5
    assert "nothing to do: 36 jobs done" in again.stderr
    table = bench.table()
    (bench.results / "results.duckdb").unlink()
    bench.run("db", "rebuild")
    assert bench.table() == table
    assert all(0.3 < row["auroc_mean"] < 1 for row in table)


def test_an_image_that_rots_fails_its_parts_by_name(real: Path, tmp_path: Path, cluster: str) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(real / "headct", raw)
    bench = Bench(tmp_path / "bench")
    bench.run("data", "prepare", "headct", "--raw", str(raw))
    victim = next(raw.rglob("000.png"))
    victim.write_bytes(victim.read_bytes()[:1000])
    path = bench.grid("models: [pixel-knn]\ndatasets: [headct, digits-multi-class]\nshots: [2]\nseeds: [0]\n")
    bench.run("submit", "--grid", path, "--address", cluster, code=3)
    jobs = {job["dataset"]: job for job in bench.json("results", "--by", "job")}
    assert jobs["digits-multi-class"]["status"] == "done"
    assert jobs["headct"]["status"] == "failed"
    assert "000.png" in jobs["headct"]["error"]
