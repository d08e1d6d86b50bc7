"""Bad values for every option and argument of every command: words and an exit code, never a traceback."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from names import CONTROL
from PIL import Image

from gad.datasets.prepare import ensure_bundled
from gad.harness.cli import main

Run = Callable[..., tuple[int, str]]

# What stands before each number that is asked for, and from where to where it goes, if there are bounds.
NUMBERS: dict[str, tuple[int, int | None]] = {
    "submit --grid demo --limit": (1, None),
    "submit --grid demo --workers": (1, 10_000),
    "submit --grid demo --threads": (1, 1024),
    "submit --grid demo --max-failures": (0, None),
    "plan --grid demo --limit": (1, None),
    "plan --grid demo --workers": (1, 10_000),
    "score here.png --model pixel-knn --prompts here.png --shots": (0, None),
    "score here.png --model pixel-knn --prompts here.png --threads": (1, 1024),
    "train --model inctrl --auxiliary textures --out new --shots": (0, None),
    "train --model inctrl --auxiliary textures --out new --shots 2 --training-seed": (0, 2**32 - 1),
    "train --model inctrl --auxiliary textures --out new --shots 2 --threads": (1, 1024),
    "models generate timm:resnet18 new.safetensors --seed": (0, None),
    "status --every": (1, 86_400),
    "results --format csv --shots": (0, None),
    "leaderboard --port": (1, 65_535),
    "prompts export --dataset textures --shots": (1, None),
    "prompts import here --dataset textures --shots": (1, None),
}
NO_NUMBERS = ("x", "", "1e3", "nan", "-inf", "0x10", "1,5", "½", "$(id)", "\x1b[31m7", "<b>2</b>", "🙂")

# The worst of names.NAMES in a few: none of them is what an option or argument below asks for.
WORST = (
    'two words\nnew line\x1b[2J\x1b[H 🙂 it\'s "quoted" left\u202eright',
    "<script>alert(1)</script> [/] {0.__class__} %s $(touch executed); DROP TABLE parts; --",
    "../../etc/passwd",
    "--help",
    "x" * 300,
)
# Options and arguments that name something.
WORDS = (
    "plan --grid",
    "submit --grid",
    "plan --grid demo --only",
    "submit --grid demo --only",
    "submit --grid demo --device",
    "submit --grid demo --features",
    "submit --grid demo --max-failures",
    "plan --grid demo --explain",
    "score here.png --prompts here.png --model",
    "score here.png --model pixel-knn --prompts",
    "score here.png --model pixel-knn --prompts here.png --backbone",
    "score here.png --model winclip --prompts here.png --backbone",
    "score here.png --model pixel-knn --prompts here.png --option",
    "score here.png --model inctrl --backbone tiny --prompts here.png --checkpoint",
    "train --auxiliary textures --shots 2 --out new --model",
    "train --model inctrl --backbone tiny --shots 2 --out new --auxiliary",
    "train --model inctrl --auxiliary textures --shots 2 --out new --backbone",
    "train --model inctrl --auxiliary textures --shots 2 --out new --option",
    "status --job",
    "results --by",
    "results --layout",
    "results --format",
    "results --format csv --metric",
    "export --out new --format",
    "models check --option",
    "models check pixel-knn --backbone",
    "cache prune --yes --encoder",
    "prompts export --dataset textures --shots 2 --seed",
    "prompts export --shots 2 --dataset",
    "prompts import here --shots 2 --dataset",
    "score --model pixel-knn --prompts here.png --",
    "models show --",
    "models check --",
    "models new --",
    "models export --out new --",
    "data show --",
    "data check --",
    "data prepare --",
    "diff job --",
    "prompts import --dataset textures --shots 2 --",
)
# Folders and files to be made: below, all of them where nothing can be made, in a file.
MADE = (
    "submit --grid demo --limit 1 --results",
    "submit --grid demo --limit 1 --data",
    "score here.png --model pixel-knn --prompts here.png --maps",
    "train --model inctrl --backbone tiny --auxiliary textures --shots 2 --option epochs=1 --option steps=1 --out",
    "export --out",
    "models new my_model --dir",
    "models export here.png --out",
    "data prepare textures --data",
    "data prepare mvtec --raw",
    "prompts export --dataset textures --shots 2 --out",
)
FREE = {
    "models export --backbone",  # only with a checkpoint of ours
    "prompts import --out",  # tests/cli/test_prompts.py
    "submit --address",  # tests/executor/test_grids.py
    "score --class-name",  # any text
    "data prepare --name",  # tests/datasets/test_own.py
    "leaderboard --host",  # tests/leaderboard/test_serve.py
}


@pytest.fixture(scope="module")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("options") / "data"
    ensure_bundled("textures", data)
    return data


@pytest.fixture
def run(
    tmp_path: Path, textures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """The command as from a shell, in an empty folder with a picture in it: its exit code, and what it said."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"GAD_DATA": str(textures), "GAD_RESULTS": "results", "GAD_CACHE": "cache"}.items():
        monkeypatch.setenv(name, value)
    Image.fromarray(np.full((8, 8, 3), 7, np.uint8)).save(tmp_path / "here.png")

    def called(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process keeps its own handlers
        with pytest.raises(SystemExit) as ended:
            main.run()
        code = ended.value.code
        out, err = capsys.readouterr()
        assert isinstance(code, int), code
        assert "Traceback" not in out + err
        assert not CONTROL.search((out + err).replace("\t", "")), (
            arguments,
            out + err,
        )  # tabs are between columns
        return code, out + err

    return called


def given(before: str, value: str) -> list[str]:
    """``--option=value`` or, after ``--``, the value by itself."""
    *words, last = before.split()
    return [*words, last, value] if last == "--" else [*words, f"{last}={value}"]


@pytest.mark.parametrize("before", NUMBERS)
def test_no_number(run: Run, before: str) -> None:
    least, most = NUMBERS[before]
    for value in [*NO_NUMBERS, str(least - 1), *([str(most + 1), "9" * 25] if most else [])]:
        if (before.split()[-1], value) in (("--max-failures", ""), ("--every", "1e3")):
            continue  # nothing given; a number
        code, said = run(*given(before, value))
        assert code == 2, (value, said)
        assert before.split()[-1] in said, (value, said)


@pytest.mark.parametrize("before", WORDS)
def test_no_name(run: Run, before: str, tmp_path: Path) -> None:
    for name in WORST:
        code, said = run(*given(before, name))
        assert code in (1, 2), (name, code, said)
        assert re.search(r"\w", said), name
    assert {path.name for path in tmp_path.iterdir()} <= {"here.png", "results", "cache"}


@pytest.mark.parametrize("before", MADE)
def test_no_place(run: Run, before: str) -> None:
    code, said = run(*given(before, "here.png/within"))
    assert code in (1, 2), said
    assert re.search("here.png|no results", said), said


def options() -> Iterator[tuple[str, str, bool]]:
    """Of every command each option that takes a value, and whether it is a folder that is looked for or made."""

    def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str, bool]]:
        for name, below in getattr(command, "commands", {}).items():
            yield from walk(below, (*path, name))
        if not hasattr(command, "commands"):
            for each in command.params:
                if each.opts[0].startswith("--") and not getattr(each, "is_flag", False):
                    yield " ".join(path), each.opts[0], each.opts[0] in ("--data", "--results", "--cache")

    return walk(typer.main.get_command(main.app), ())


def test_no_folder(run: Run) -> None:
    for command, option, folder in options():
        if folder:
            code, said = run(*command.split(), f"{option}=here.png")
            assert (code, "here.png' is a file" in said) == (2, True), (command, option, said)


def test_every_option_is_tried() -> None:
    tried = [*NUMBERS, *WORDS, *MADE]
    for command, option, folder in options():
        if not folder and f"{command} {option}" not in FREE:
            assert any(line.startswith(command) and line.endswith(option) for line in tried), (
                command,
                option,
            )
