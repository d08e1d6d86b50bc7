"""Models of others: a package that `harness models new` wrote and pip installed, and a transductive one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import Bench

pytestmark = pytest.mark.timeout(300)

GRID = "models: [pixel-knn, my-third-party]\ndatasets: [digits-multi-class]\nshots: [2]\nseeds: [0]\n"
BOTH = """
models:
  - {name: whole, options: {how: below_best}}
  - {name: hostile, options: {how: below_best}}
datasets: [digits-multi-class]
shots: [2]
seeds: [0]
"""


@pytest.fixture
def installed(bench: Bench, strangers: Path) -> Iterator[Path]:
    """The package, as a user makes and installs it; in the folder that the cluster's workers see."""
    bench.run("models", "new", "my_third_party")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(strangers))
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, str(bench.folder / "my_third_party")], check=True
    )
    yield strangers / "my_third_party"
    for place in strangers.glob("my_third_party*"):
        shutil.rmtree(place)


def test_a_package_runs_in_a_grid_and_its_changes_are_noticed(
    bench: Bench, installed: Path, submit: Callable[..., str]
) -> None:
    (row,) = [row for row in bench.json("models", "list") if row["name"] == "my-third-party"]
    assert row["package"] == "my-third-party"
    submit(GRID)
    jobs = bench.json("results", "--by", "job")
    assert {(job["model"], job["status"]) for job in jobs} == {
        ("pixel-knn", "done"),
        ("my-third-party", "done"),
    }
    assert "nothing to do" in submit(GRID)
    adapter = installed / "adapter.py"
    adapter.write_text(adapter.read_text() + "\n# another thought\n")  # the version stays 0.1.0
    assert bench.json("plan", "--grid", bench.grid(GRID))["new"] == 1


def test_a_transductive_model_sees_the_whole_split_and_is_marked(
    bench: Bench, submit: Callable[..., str]
) -> None:
    """Each batch has one best score, which becomes 0: one batch of the 899 test images, or 22 of up to 50."""
    submit(BOTH)
    best = bench.query(
        "SELECT model, count(*) FILTER (score = 0) FROM scores JOIN parts USING (part_id) GROUP BY model"
    )
    assert dict(best) == {"whole": 1, "hostile": 22}
    for by in ("dataset", "job", "category"):
        rows = bench.json("results", "--by", by)
        assert {row["model"]: row["transductive"] for row in rows} == {"whole": True, "hostile": False}
    assert "whole (transductive)" in bench.run("results").stdout
    assert "whole (transductive)" in bench.run("models", "list").stdout
