"""What a wrong command line, an unusable folder or an interrupt looks like: words and an exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import Bench

from gad.harness.cli.grids import parse_only
from gad.harness.errors import UsageError
from gad.harness.nouns import Grid, ModelChoice

GRID = """name: small
models: [pixel-knn, pixel-gaussian]
datasets: [textures]
shots: [2, 4]
seeds: [0]
"""

SLOW = """
import sys, time
from gad.harness.cli import main
@main.app.command()
def wait():
    print("waiting", flush=True)
    {body}
sys.argv = ["harness", *sys.argv[1:]]
main.run()
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def slow(body: str, *options: str) -> subprocess.Popen[str]:
    """The command line with one more command, `wait`."""
    return subprocess.Popen(
        [sys.executable, "-c", SLOW.format(body=body), *options, "wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_one_word(number: signal.Signals) -> None:
    process = slow("time.sleep(60)")
    assert process.stdout
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, "interrupted\n")


def test_an_error_of_the_system_names_its_file() -> None:
    process = slow("open('/no/such/place')")
    assert process.communicate(timeout=30)[1] == "error: /no/such/place: No such file or directory\n"
    assert process.returncode == 1
    process = slow("open('/no/such/place')", "--debug")
    assert "Traceback" in process.communicate(timeout=30)[1]
    assert process.returncode == 1


def test_a_place_that_cannot_be_made(bench: Bench) -> None:
    (bench.folder / "file").write_text("")
    place = str(bench.folder / "file" / "data")
    ended = bench.run("data", "prepare", "textures", "--data", place, code=1)
    assert "Traceback" not in ended.stderr
    assert place in ended.stderr


def test_a_wrong_command_line(bench: Bench) -> None:
    assert "Did you mean 'submit'" in bench.run("submitt", code=2).stderr
    assert "Usage: harness" in bench.run("submit", "--gird", "demo", code=2).stderr
    assert "Usage: harness" in bench.run("submit", "--help").stdout


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ("model=pixel-kn", "no model 'pixel-kn'. Did you mean 'pixel-knn'?"),
        ("dataset=texture", "no dataset 'texture'. Did you mean 'textures'?"),
        ("dataset=my_part", "no dataset 'my_part'. Did you mean 'my_parts'?"),
        ("shots=99", "no shots '99'"),
        ("seed=99", "no seed '99'"),
        ("model=pixel-knn,seed=0,seed=1", "no seed '1'"),
        ("modle=pixel-knn", "Did you mean 'model'?"),
        ("pixel-knn", "is not NAME=VALUE"),
    ],
)
def test_only_what_the_grid_has(tmp_path: Path, only: str, said: str) -> None:
    grid = Grid(
        name="g",
        models=(ModelChoice(name="pixel-knn", options={}), ModelChoice(name="pixel-gaussian", options={})),
        datasets=("textures", str(tmp_path / "my_parts")),
        shots=(2, 4),
        seeds=(0,),
    )
    with pytest.raises(UsageError) as raised:
        parse_only(only, grid)
    assert said in str(raised.value)
    fits = parse_only("dataset=my_parts, dataset=textures, shots=4", grid)
    assert fits
    assert fits("pixel-knn", "my_parts", 4, 0)
    assert not fits("pixel-knn", "my_parts", 2, 0)


@pytest.mark.parametrize("command", ["plan", "submit"])
def test_only_is_checked_by_both_commands(bench: Bench, command: str) -> None:
    said = bench.here(command, "--grid", bench.grid(GRID), "--only", "model=pixel-kn", code=2).stderr
    assert "Did you mean 'pixel-knn'?" in said
