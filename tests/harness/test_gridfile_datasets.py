"""Datasets of a grid: names, folders, auxiliary sets."""

from __future__ import annotations

from pathlib import Path

import pytest
from gridtexts import KNOWN, Case, check_told, complete, problems, read, text

from gad.harness.gridfile import load

WRONG: list[Case] = [
    # datasets
    (text(datasets="[textues]"), ["2: datasets[0]: unknown dataset 'textues'. Did you mean 'textures'?"]),
    (text(datasets="[qqq]"), ["2: datasets[0]: unknown dataset 'qqq'. Known datasets: digits-multi-class,"]),
    (text(datasets="[no]"), ["2: datasets[0]: no is not the name of a dataset; put quotes around it"]),
    (text(datasets="''"), ["2: datasets: unknown dataset ''"]),
    (text(datasets="[./none]"), ["2: datasets[0]: './none': there is no folder at '/nowhere/none'"]),
    (text(datasets='["./a\\0b"]'), ["2: datasets[0]: './a\\x00b' is not the name of a dataset"]),
    (text(datasets="[/etc/passwd]"), ["2: datasets[0]: '/etc/passwd': there is a file, not a folder,"]),
    (
        text(datasets="[textures, textures]"),
        ["2: datasets[1]: 'textures' is listed twice (first as datasets[0], line 2)"],
    ),
    (
        text(datasets="[/usr, /usr/../usr/]"),
        ["2: datasets[1]: '/usr/../usr/' is listed twice (first as datasets[0]"],
    ),
    (text(datasets="textures-auxiliary"), ["2: datasets: 'textures-auxiliary' is for training only"]),
    (text(datasets="!!set {a}"), ["2: datasets: the tag !!set is not allowed in a grid"]),
    # auxiliary
    (text(auxiliary="mvtek"), ["5: auxiliary: unknown dataset 'mvtek'. Did you mean 'mvtec'?"]),
    (text(auxiliary="[mvtec]"), ["5: auxiliary: a list is neither a dataset nor a mapping"]),
    (text(auxiliary="3"), ["5: auxiliary: 3 is not the name of a dataset"]),
    (text(auxiliary="{mvtek: visa}"), ["5: auxiliary.mvtek: unknown dataset 'mvtek'. Did you mean 'mvtec'?"]),
    (
        text(auxiliary="\n  default: visa\n  visa: vista"),
        ["7: auxiliary.visa: unknown dataset 'vista'. Did you mean 'visa'?"],
    ),
    (text(auxiliary="{mvtec: mvtec}"), ["5: auxiliary.mvtec: 'mvtec' may not be its own auxiliary set"]),
    (
        text(auxiliary="mvtec", datasets="[mvtec]"),
        ["5: auxiliary: 'mvtec' is among the datasets and may not be its own auxiliary set. Give it"],
    ),
    (
        text(auxiliary="{/usr: visa, /usr/: mvtec}"),
        ["5: auxiliary['/usr/']: '/usr' has an auxiliary set already"],
    ),
]


@pytest.mark.parametrize(("source", "expected"), WRONG, ids=[str(n) for n in range(len(WRONG))])
def test_wrong(source: str, expected: list[str]) -> None:
    check_told(source, expected)


@pytest.mark.parametrize(("source", "expected"), complete(WRONG))
def test_nothing_else_is_reported(source: str, expected: list[str]) -> None:
    assert len(problems(source)) == len(expected)


def test_dataset_folders_are_relative_to_the_grid(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "link").symlink_to("parts")
    (tmp_path / "sub").mkdir()
    grid = read(text(datasets="[../parts]"), tmp_path / "sub")
    assert grid.datasets == (str(tmp_path / "parts"),)
    assert read(text(datasets="link/"), tmp_path).datasets == (str(tmp_path / "link"),)
    assert "The folder of that name is written './parts'" in problems(text(datasets="parts"), tmp_path)[0]
    assert "listed twice" in problems(text(datasets="[./parts, ./link]"), tmp_path)[0]
    own = problems(text(datasets="[./parts]", auxiliary="./link"), tmp_path)
    assert "may not be its own auxiliary set" in own[0]


def test_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "parts").mkdir()
    (tmp_path / "g.yaml").write_text(text(datasets="~/parts"))
    assert load("~/g.yaml", KNOWN).datasets == (str(tmp_path / "parts"),)
