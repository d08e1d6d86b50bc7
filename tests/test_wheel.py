"""The wheel works when installed somewhere else: a grid from an empty folder."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what git knows, so that no build folder appears in the checkout."""
    source = tmp_path_factory.mktemp("source")
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in files.stdout.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


def test_the_wheel_holds_only_gad(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"gad"}
    assert "gad/grids/demo.yaml" in names
    assert "gad/harness/nouns/__init__.py" in names
    assert "gad/models/pixel_knn/adapter.py" in names
    assert "gad/models/backbones/tiny/tiny.safetensors" in names
    assert "gad/models/backbones/tiny/config.json" in names
    assert "gad/leaderboard/style.css" in names
    assert "gad/harness/skeleton/image/adapter.py.txt" in names
    assert not [name for name in names if "/tests/" in name or name.endswith("gad/harness/__init__.py")]


def test_a_grid_runs_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    (packages,) = (home / "lib").glob("python*/site-packages")
    # Dependencies come from this environment; its .pth files (the editable install) are not followed.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, wheel], check=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GAD_", "PYTHON"))}

    def harness(*arguments: str) -> str:
        ended = subprocess.run(
            [home / "bin" / "harness", *arguments], cwd=empty, env=environment, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    where = subprocess.run(
        [python, "-c", "import gad.harness.plan as p; print(p.__file__)"],
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(home))
    harness("submit", "--grid", "demo", "--only", "model=pixel-knn,dataset=digits-multi-class,shots=2")
    (row,) = [row for row in json.loads(harness("results", "--json")) if row["n_seeds"]]
    assert (row["dataset"], row["model"], row["shots"]) == ("digits-multi-class", "pixel-knn", 2)
    assert (row["n_seeds"], row["complete"]) == (3, True)
    # The bundled encoder came along.
    Image.new("RGB", (64, 64)).save(empty / "part.png")
    said = harness("score", "--model", "winclip", "--backbone", "tiny", "--shots", "0", "--json", "part.png")
    assert 0 < json.loads(said)["score"] < 1
