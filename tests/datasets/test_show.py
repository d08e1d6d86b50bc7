"""`harness data show`: a dataset's card with what its images tell."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import raws
from typer.testing import CliRunner

from gad.datasets import catalog
from gad.datasets.prepare import prepare, prepare_own
from gad.harness.cli.data import app


def show(name: str, data: Path) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["show", name, "--data", str(data), "--json"])
    assert result.exit_code == 0, result.exception
    said: dict[str, Any] = json.loads(result.stdout)
    return said


def test_sizes_are_those_of_crops_and_modes_those_of_files(tmp_path: Path) -> None:
    """Four strips of 4 squares; 3 defect squares, one of them in mode LA, one 212 pixels wide; 2 of one strip."""
    prepared = prepare("aitex", raws.aitex(tmp_path / "raw"), tmp_path / "data")
    said = show("aitex", tmp_path / "data")
    images = said["images"]
    sizes = {(s["width"], s["height"]): s["images"] for s in images["sizes"]["common"]}
    assert sum(sizes.values()) == images["distinct"] == 16 + 2 + 2 + 1
    assert sizes[raws.NARROW - 512, 256] == 1
    assert images["modes"] == {"L": 19, "LA": 2}
    assert images["with_mask"] == 5
    assert said["fingerprint"] == prepared.fingerprint
    assert said["authors_split"].startswith("cannot be had")
    assert said["categories"][0]["expected"]["train_normal"] == 1692


def test_what_is_not_prepared_shows_its_card(tmp_path: Path) -> None:
    for name, info in catalog.DATASETS.items():
        if info.bundled:
            continue
        said = show(name, tmp_path)
        assert (said["prepared"], said["images"], said["fingerprint"]) == (False, None, None)
        assert said["licence"]
        assert said["citation"]
        assert said["authors_split"].split(":")[0] in ("the same", "cannot be had")


def test_array_files_images_of_ones_own_and_damage(tmp_path: Path, bundled: Path) -> None:
    digits = show("digits-one-vs-all", bundled)["images"]
    assert (digits["distinct"], digits["files"], digits["modes"]) == (1797, 1, {"L": 1797})
    assert digits["sizes"]["common"] == [{"width": 8, "height": 8, "images": 1797}]
    root = tmp_path / "parts"
    for number in range(6):
        raws.picture(
            root / ("good" if number else "bad") / f"{number}.png", raws.noise(number, 4 + number, 4)
        )
    prepare_own("parts", root, tmp_path / "data")
    (root / "bad/0.png").write_bytes(b"")
    images = show("parts", tmp_path / "data")["images"]
    assert (images["distinct"], images["unreadable"], images["sizes"]["kinds"]) == (6, 1, 5)
    assert (images["sizes"]["smallest"], images["sizes"]["largest"]) == ([4, 5], [4, 9])


def test_the_text_says_the_same(tmp_path: Path) -> None:
    prepare("sdd", raws.sdd(tmp_path / "raw"), tmp_path / "data")
    text = CliRunner().invoke(app, ["show", "sdd", "--data", str(tmp_path / "data")]).stdout
    for words in (
        "KolektorSDD",
        "expected 857",
        "CC BY-NC-SA 4.0",
        "cannot be had",
        "8x3 (8), 8x4 (4)",
        "12 in 4",
    ):
        assert words in text
    absent = CliRunner().invoke(app, ["show", "visa", "--data", str(tmp_path / "data")]).stdout
    assert "not prepared" in absent


def test_the_real_brain_mri_shows_its_mixed_modes(tmp_path: Path) -> None:
    home = os.environ.get("GAD_REALDATA", "")
    if not home or not (Path(home) / "brainmri").is_dir():
        pytest.skip("GAD_REALDATA names no folder with brainmri")
    prepare("brainmri", Path(home) / "brainmri", tmp_path / "data")
    said = show("brainmri", tmp_path / "data")
    assert said["official"].startswith("verified")
    assert set(said["images"]["modes"]) == {"L", "RGB", "RGBA", "P"}
