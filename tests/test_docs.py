"""What the README promises is run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from support import Bench

README = (Path(__file__).parents[1] / "README.md").read_text()
MAKEFILE = (Path(__file__).parents[1] / "Makefile").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line.partition("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
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
        shown = bench.run(*verbs, "--help").stdout
        for option in (a for a in arguments if a.startswith("--")):
            assert option in shown, f"{' '.join(arguments)}: no {option}"
        checked += 1
    assert checked > 10


@pytest.fixture
def readme_package(tmp_path: Path) -> Path:
    """The model of "Adding a model", as pip would have installed it."""
    folder = tmp_path / "installed"
    for block in blocks("python"):
        name = re.match(r"# (\S+)", block)
        assert name
        path = folder / name[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block)
    (toml,) = blocks("toml")
    entry = re.search(r'^my-detector = "(.*)"$', toml, flags=re.MULTILINE)
    assert entry
    installed = folder / "my_detector-0.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my-detector\nVersion: 0.1\n")
    (installed / "entry_points.txt").write_text(f"[gad.models]\nmy-detector = {entry[1]}\n")
    return folder


@pytest.mark.timeout(300)
def test_the_models_and_the_grid_run(tmp_path: Path, readme_package: Path, bundled: Path) -> None:
    """The grid of the README, with the README's model added, on the smaller of its jobs."""
    bench = Bench(tmp_path / "bench", data=bundled, path=readme_package)
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
