"""What the README and the guides promise is run."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from support import Bench

from gad.datasets.catalog import DATASETS
from gad.harness.conformance import suite
from gad.harness.conformance.subject import Subject
from gad.harness.executor.loaded import load
from gad.harness.registry import Model

README = (Path(__file__).parents[1] / "README.md").read_text()
GUIDE = (Path(__file__).parents[1] / "docs/adding-a-model.md").read_text()
COMMANDS = (Path(__file__).parents[1] / "docs/commands.md").read_text()
DATA = (Path(__file__).parents[1] / "docs/data.md").read_text()
MAKEFILE = (Path(__file__).parents[1] / "Makefile").read_text()


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def commands() -> list[list[str]]:
    pages = [block for page in (README, COMMANDS) for block in blocks("sh", page)]
    lines = [line.partition("#")[0].strip() for block in pages for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line]


def test_every_command_exists(tmp_path: Path) -> None:
    """Each `harness` line: its subcommand has all the options that are shown; each `make` line: a target."""
    bench = Bench(tmp_path)
    checked = 0
    for program, *arguments in commands():
        if program == "make":
            assert re.search(rf"^{arguments[0]}:", MAKEFILE, flags=re.MULTILINE)
            continue
        verbs = []
        for argument in arguments:
            if argument.startswith("-") or argument in ("headct",):
                break
            verbs.append(argument)
        shown = bench.here(*verbs, "--help").stdout
        for option in (a for a in arguments if a.startswith("--")):
            assert option in shown, f"{' '.join(arguments)}: no {option}"
        checked += 1
    assert checked > 10


def test_the_page_on_data_has_the_cards_counts_and_fingerprints() -> None:
    rows = re.findall(r"\| `(\S+)` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| `([0-9a-f]{64})` \|", DATA)
    assert {row[0] for row in rows} == {name for name, info in DATASETS.items() if info.fingerprint}
    for name, *counts, fingerprint in rows:
        info = DATASETS[name]
        assert fingerprint == info.fingerprint
        assert [int(count) for count in counts] == [
            len(info.expected),
            *(
                sum(getattr(c, of) for c in info.expected)
                for of in ("train_normal", "test_normal", "test_anomalous")
            ),
        ]


@pytest.fixture
def guide_package(tmp_path: Path) -> Path:
    """The models of docs/adding-a-model.md, as pip would have installed them."""
    folder = tmp_path / "installed"
    for block in blocks("python", GUIDE):
        name = re.match(r"# (\S+)", block)
        assert name
        path = folder / name[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block)
    (toml,) = blocks("toml", GUIDE)
    project = tomllib.loads(toml)["project"]
    entries = [f"{name} = {where}" for name, where in project["entry-points"]["gad.models"].items()]
    installed = folder / "my_detector-0.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my-detector\nVersion: 0.1\n")
    (installed / "entry_points.txt").write_text("\n".join(["[gad.models]", *entries, ""]))
    return folder


@pytest.mark.parametrize("reference", ["my_detector.info:INFO", "my_features:INFO", "my_trained:INFO"])
def test_the_guides_models_conform(
    guide_package: Path, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(guide_package))
    model = Model(load(reference), reference, "my-detector")
    try:
        with Subject(model, home=str(guide_package)) as subject:
            bad = [outcome for outcome in suite.run(subject) if outcome.status not in ("passed", "skipped")]
    finally:
        for name in [name for name in sys.modules if name.startswith("my_")]:
            del sys.modules[name]
    assert bad == []


def test_the_guide_names_every_check() -> None:
    """Its table and the suite list the same checks; the README's snippet is the body of an adapter."""
    rows = re.findall(r"^\| (`.*?) \|", GUIDE, flags=re.MULTILINE)
    named = {f"check_{name}" for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {check.__name__ for check in suite.CHECKS}
    (snippet,) = blocks("python")
    compile(snippet, "README.md", "exec")


@pytest.mark.timeout(300)
def test_the_models_and_the_grid_run(tmp_path: Path, guide_package: Path, bundled: Path) -> None:
    """The grid of the README, with the guide's first model added, on the smaller of its jobs."""
    bench = Bench(tmp_path / "bench", data=bundled, path=guide_package)
    assert "my-detector" in bench.run("models", "list").stdout
    (text,) = blocks("yaml")
    grid = yaml.safe_load(text)
    path = bench.grid(text)
    plan = bench.json("plan", "--grid", path)
    assert plan["jobs"] == len(grid["models"]) * len(grid["datasets"]) * 3 * 3
    path = bench.grid(text.replace("  - pixel-knn\n", "  - pixel-knn\n  - my-detector\n"))
    bench.run("submit", "--grid", path, "--only", "dataset=textures,shots=2,seed=0")
    jobs = bench.json("results", "--by", "job")
    assert {job["model"] for job in jobs if job["status"] == "done"} == {
        "my-detector",
        "pixel-knn",
        "pixel-gaussian",
    }


def test_the_readme_has_its_picture() -> None:
    for name in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (Path(__file__).parents[1] / name).is_file(), name
