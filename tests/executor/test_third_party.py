"""Models of others: a package that `harness models new` wrote and pip installed, and a transductive one."""

from __future__ import annotations

import json
import os
import re
import site
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from support import Bench

from gad.leaderboard.pages import app

pytestmark = pytest.mark.timeout(300)

GRID = "models: [my-third-party]\ndatasets: [digits-multi-class]\nshots: [2]\nseeds: [0]\n"
BOTH = """
models:
  - {name: whole, options: {how: below_best}}
  - {name: hostile, options: {how: below_best}}
  - {name: pixel-knn}
datasets: [digits-multi-class]
shots: [2]
seeds: [0]
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The Python of a new virtual environment, which finds the harness and what it needs in this one."""
    home = tmp_path / "environment"
    venv.create(home, with_pip=False)
    (packages,) = (home / "lib").glob("python*/site-packages")
    found = "; ".join(f"site.addsitedir({place!r})" for place in site.getsitepackages())
    (packages / "this.pth").write_text(f"import site; {found}\n")
    return home / "bin/python"


def test_a_package_runs_in_a_grid_and_its_changes_are_noticed(bench: Bench, environment: Path) -> None:
    """Written by `models new`, installed by pip as anybody would, run by the harness of that environment."""
    bench.run("models", "new", "my_third_party")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    pip = [sys.executable, "-m", "pip", "--python", str(environment), "install", *options]
    subprocess.run([*pip, str(bench.folder / "my_third_party")], check=True)

    def harness(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = "from gad.harness.cli.main import run; run()"
        folders = {"GAD_DATA": str(bench.data), "GAD_RESULTS": str(bench.results)}
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [environment, "-c", program, *arguments],
            cwd=bench.folder,
            env={**inherited, **folders},
            capture_output=True,
            text=True,
            check=True,
        )

    (row,) = [
        r for r in json.loads(harness("models", "list", "--json").stdout) if r["name"] == "my-third-party"
    ]
    assert row["package"] == "my-third-party"
    grid = bench.grid(GRID)
    harness("submit", "--grid", grid, "--workers", "1")
    jobs = json.loads(harness("results", "--by", "job", "--json").stdout)
    assert [(job["model"], job["status"]) for job in jobs] == [("my-third-party", "done")]
    assert json.loads(harness("plan", "--grid", grid, "--json").stdout)["new"] == 0
    (adapter,) = (environment.parents[1] / "lib").glob("python*/site-packages/my_third_party/adapter.py")
    adapter.write_text(adapter.read_text() + "\n# another thought\n")  # the version stays 0.1.0
    assert json.loads(harness("plan", "--grid", grid, "--json").stdout)["new"] == 1


def test_a_transductive_model_sees_the_whole_split_and_is_marked(
    bench: Bench, submit: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch has one best score, which becomes 0: one batch of the 899 test images, or 22 of up to 50.

    On the leaderboard it stands below the others, said to be what it is, and is the first of its kind as they are
    of theirs; the figure of average ranks, where it would look comparable, leaves it out.
    """
    submit(BOTH)
    best = bench.query(
        "SELECT model, count(*) FILTER (score = 0) FROM scores JOIN parts USING (part_id) GROUP BY model"
    )
    assert dict(best) == {"whole": 1, "hostile": 22, "pixel-knn": 0}
    for by in ("dataset", "job", "category"):
        rows = bench.json("results", "--by", by)
        assert {row["model"]: row["transductive"] for row in rows} == {
            "whole": True,
            "hostile": False,
            "pixel-knn": False,
        }
    assert "whole (transductive)" in bench.run("results").stdout
    assert "whole (transductive)" in bench.run("models", "list").stdout
    monkeypatch.setattr(sys, "argv", ["app.py", "--results", str(bench.results)])
    page = AppTest.from_file(str(Path(app.__file__)), default_timeout=60).run()
    assert not page.exception
    text = "".join(element.proto.body for element in page.get("html"))
    lines = re.findall(r'<tr class="measured">.*?</tr>', text)
    names = [re.findall(r'class="name">([\w-]+)<', line) for line in lines]
    assert names[-1] == ["whole"]
    assert [">transductive<" in line for line in lines] == [False, False, True]
    cells = [re.findall(r'<td class="[^"]*\b(best|second)\b[^>]*data-model', line) for line in lines]
    assert sorted(cells[:2]) == [["best"], ["second"]]
    assert cells[2] == ["best"]
    (figure,) = page.get("plotly_chart")
    assert "hostile" in figure.proto.spec
    assert "whole" not in figure.proto.spec
