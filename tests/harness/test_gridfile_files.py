"""Where grids come from: files, pipes, and those that ship."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gridtexts import KNOWN, text

from gad.datasets import catalog
from gad.harness import registry
from gad.harness.errors import GridError
from gad.harness.gridfile import Known, load, shipped


def refusal(source: Path | str) -> str:
    with pytest.raises(GridError) as caught:
        load(source, KNOWN)
    assert caught.value.problems
    return str(caught.value)


def test_load_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text())
    assert load(path, KNOWN).name == "mine"
    assert load(str(path), KNOWN) == load(path, KNOWN)
    path.write_text(text(shots="-1"))
    assert f"{path}:3: shots: -1" in refusal(path)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("latin.yaml").write_bytes("name: x\n# größe\n".encode("latin-1"))
    assert "latin.yaml:2: not UTF-8 text (byte 0xf6)" in refusal("latin.yaml")
    Path("big.yaml").write_bytes(b"#" * 1_000_001)
    assert "big.yaml: the file is larger than 1 MB" in refusal("big.yaml")
    assert "this is a folder; a grid is a YAML file" in refusal(tmp_path)
    assert "larger than 1 MB" in refusal("/dev/zero")
    assert "no grid was named" in refusal("")
    assert "cannot be opened: embedded null byte" in refusal("\0")
    assert "cannot be opened: File name too long" in refusal("x" * 300)
    missing = refusal("dmo")
    assert "dmo: there is no such file. Did you mean 'demo'?" in missing
    assert "Grids that ship: " in missing
    assert "demo" in missing.splitlines()[-1]
    Path("mine.yaml").write_text(text())
    assert "Did you mean 'mine.yaml'?" in refusal("mine")
    assert "\x1b" not in refusal("a\x1b[2Jb")


def test_a_file_whose_name_is_no_name(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 120}.yaml"
    path.write_text(text())
    assert "from the file's name" in refusal(path)
    path.write_text(text(name="short"))
    assert load(path, KNOWN).name == "short"


def test_a_pipe(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, text(name="piped").encode())
    os.close(writer)
    try:
        assert load(f"/dev/fd/{reader}", KNOWN).name == "piped"
    finally:
        os.close(reader)


def test_shipped_grids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "demo" in shipped()
    known = Known(registry.load().infos, catalog.DATASETS)
    grid = load("demo", known)
    assert grid.name == "demo"
    assert [choice.name for choice in grid.models] == ["inctrl", "winclip", "patchcore", "pixel-knn"]
    assert {choice.options.get("backbone", "tiny") for choice in grid.models} == {"tiny"}
    assert grid.datasets == ("digits-one-vs-all", "digits-multi-class", "textures")
    assert (grid.shots, grid.seeds) == ((2, 4, 8), (0, 1, 2))
    Path("demo").mkdir()
    assert load("demo", known) == grid


def test_importing_is_light() -> None:
    code = (
        "import sys, gad.harness.gridfile as g; g.shipped();"
        "heavy = {'torch', 'numpy', 'ray', 'pandas', 'duckdb', 'sklearn', 'PIL'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
