"""`harness models new`, `check` and `show`, as a user meets them."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import Bench, write_hostile


def cpu_seconds() -> float:
    """Of all processes that this one started and that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path).alone()


def test_from_new_to_a_passing_check(bench: Bench) -> None:
    """Under a minute, and under 15 seconds of computing: the machine may be busy with something else."""
    started, computed = time.perf_counter(), cpu_seconds()
    made = bench.here("models", "new", "my_model")
    assert sorted(made.stdout.split()) == sorted(
        f"my_model/{name}"
        for name in (
            "README.md",
            "pyproject.toml",
            "my_model/__init__.py",
            "my_model/adapter.py",
            "my_model/info.py",
            "tests/test_conformance.py",
        )
    )
    (report,) = bench.json("models", "check", "my_model")
    assert time.perf_counter() - started < 60
    assert cpu_seconds() - computed < 15
    assert report["passed"]
    assert report["model"] == "my-model"
    assert {check["status"] for check in report["checks"]} == {"passed", "skipped"}
    assert "The network is not watched" in report["seen"]


def test_the_skeletons_own_test_runs_the_suite(bench: Bench) -> None:
    bench.here("models", "new", "my_model")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=bench.folder / "my_model",
        env={**bench.environment, "PYTHONPATH": str(bench.folder / "my_model")},
        capture_output=True,
        text=True,
    )
    assert "18 passed, 2 skipped" in ended.stdout, ended.stdout


def test_a_skeleton_on_features(bench: Bench) -> None:
    bench.here("models", "new", "my_features", "--features", "--dir", "sub")
    (report,) = bench.json("models", "check", "sub/my_features")
    assert report["passed"]


def test_a_model_that_fails(bench: Bench) -> None:
    bench.here("models", "new", "my_model")
    adapter = bench.folder / "my_model/my_model/adapter.py"
    adapter.write_text(adapter.read_text().replace("        return np.sqrt(", "        return -np.sqrt("))
    ended = bench.run("models", "check", "my_model", code=3)
    assert "higher must be more anomalous" in ended.stdout
    assert "my-model does not conform: 1 of 20 checks do not pass" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["new", "3d_model"], "'3d_model' cannot be the name of a package"),
        (["new", "My-Model"], "For example 'my_model'."),
        (["new", "class"], "cannot be the name of a package"),
        (["new", "../escape"], "cannot be the name of a package"),
        (["new", "pixel_knn"], "a model 'pixel-knn' is registered already, by gad-harness"),
        (["new", "json"], "Python already has a module 'json'"),
        (["new", "numpy"], "Python already has a module 'numpy'"),
        (["new", "there"], "there is a there already"),
        (["check", "pixel-nn"], "neither a model nor a folder. Did you mean 'pixel-knn'?"),
        (["check", "there"], "there is no pyproject.toml in"),
        (["check", "other"], "registers no model"),
        (["check", "pixel-knn", "--option", "sice=3"], "Did you mean 'size'?"),
        (["check", "pixel-knn", "--backbone", "tiny"], "pixel-knn looks at images themselves"),
        (["check", "winclip", "--backbone", "tinny"], "'tinny' is not a backbone: expected tiny,"),
        (["show", "pixel-nn"], "Did you mean 'pixel-knn'?"),
    ],
)
def test_what_is_wrong_is_said(bench: Bench, arguments: list[str], said: str) -> None:
    (bench.folder / "there").mkdir()
    (bench.folder / "other").mkdir()
    (bench.folder / "other/pyproject.toml").write_text("[project]\nname = 'other'\n")
    before = sorted(bench.folder.rglob("*"))
    ended = bench.here("models", *arguments, code=2)
    assert said in ended.stderr
    assert ended.stdout == ""
    assert sorted(bench.folder.rglob("*")) == before


def test_a_package_that_cannot_be_loaded(bench: Bench) -> None:
    bench.here("models", "new", "my_model")
    (bench.folder / "my_model/my_model/info.py").write_text("raise RuntimeError('not today')")
    ended = bench.run("models", "check", "my_model", code=1)
    assert "model 'my-model' cannot be loaded: my_model.info:INFO: RuntimeError: not today" in ended.stderr


def test_show(bench: Bench) -> None:
    card = bench.json("models", "show", "inctrl")
    assert card["trained"]
    assert card["needs"] == "a CLIP, an auxiliary set"
    assert card["options"]["epochs"] == 10
    assert "what is kept of T (text prior)" in card["about_options"]
    assert card["reports"].startswith("Score: ``(phi + s_p) / 2`` with all components, in 0..1")
    text = bench.here("models", "show", "pixel-knn").stdout
    assert "root mean squared difference (0..1) of pixels" in " ".join(text.split())
    for part in ("none: a baseline of this project", "needs no weights", "'squash' or 'crop'", "size", "32"):
        assert part in text


def test_list_says_what_each_needs(bench: Bench) -> None:
    rows = {row["name"]: row for row in bench.json("models", "list")}
    assert (rows["pixel-knn"]["needs"], rows["pixel-knn"]["trained"]) == ("nothing", False)
    assert (rows["patchcore"]["needs"], rows["winclip"]["needs"]) == ("an encoder", "a CLIP")
    assert all(row["licence"] and row["domain"] for row in rows.values())
    table = bench.here("models", "list").stdout
    for column in ("domain", "needs", "trained", "licence"):
        assert column in table


def test_a_card_with_terminal_escapes(tmp_path: Path) -> None:
    path = write_hostile(tmp_path / "site")
    info = path / "hostile_models/info.py"
    info.write_text(info.read_text().replace('title="t"', 'title="\\x1b[2Jt"'))
    shown = Bench(tmp_path, path=path).run("models", "show", "hostile").stdout
    assert "\x1b" not in shown
