"""`harness score`: the scores of a grid, without a grid; and what is said of bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Bench

from gad.harness import registry
from gad.harness.cli.chosen import options_of
from gad.harness.errors import UsageError

MODELS = ("pixel-knn", "winclip", "patchcore")
GRID = """
models: [pixel-knn, winclip, patchcore]
datasets: [./parts]
shots: [3]
seeds: [0]
backbone: tiny
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, cluster: str) -> Bench:
    """A folder in MVTec layout, images of odd sizes and modes, and its grid's results."""
    bench = Bench(tmp_path_factory.mktemp("score"))
    generator = np.random.default_rng(0)
    for place, count in (("train/good", 5), ("test/good", 3), ("test/scratch", 4)):
        (bench.folder / "parts" / "nut" / place).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (90, 70 + 30 * number, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).convert(("RGB", "L", "RGBA", "P")[number % 4])
            image.save(bench.folder / "parts" / "nut" / place / f"{number:03d}.png")
    bench.run("submit", "--grid", bench.grid(GRID), "--address", cluster)
    return bench


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("model", MODELS)
def test_scores_are_those_of_a_grid(bench: Bench, model: str, tmp_path: Path) -> None:
    ((part,),) = bench.query(f"SELECT part_id FROM parts WHERE model = '{model}'")
    drawn = bench.query(f"SELECT sample_id FROM prompts WHERE part_id = '{part}' ORDER BY position")
    expected = dict(bench.query(f"SELECT sample_id, score FROM scores WHERE part_id = '{part}'"))
    prompts = [word for (sample,) in drawn for word in ("--prompts", f"parts/{sample}")]
    backbone = () if model == "pixel-knn" else ("--backbone", "tiny")
    found = bench.here(
        "score", "--model", model, *backbone, "--class-name", "nut", *prompts, "--json", "parts/nut/test"
    )
    rows = lines(found.stdout)
    assert [row["image"] for row in rows] == sorted(f"parts/{sample}" for sample in expected)
    assert {str(row["image"]).removeprefix("parts/"): row["score"] for row in rows} == expected
    if model == "winclip":
        parts = [(float(str(r["text_score"])), float(str(r["patch_score"]))) for r in rows]
        assert [sum(p) / 2 for p in parts] == pytest.approx([r["score"] for r in rows], abs=1e-6)


def test_maps_are_pictures_of_what_the_detector_saw(bench: Bench, tmp_path: Path) -> None:
    bench.here(
        *("score", "--model", "winclip", "--backbone", "tiny", "--prompts", "parts/nut/train"),
        *("--maps", str(tmp_path / "maps"), "parts/nut/test/good", "parts/nut/test/scratch"),
    )
    names = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert names == ["000-2.png", "000.png", "001-2.png", "001.png", "002-2.png", "002.png", "003.png"]
    sizes = {Image.open(tmp_path / "maps" / name).size for name in names}
    assert len(sizes) == 1
    refused = bench.here(
        *("score", "--model", "pixel-knn", "--prompts", "parts/nut/train", "--maps", str(tmp_path / "no")),
        "parts/nut/test/good",
        code=2,
    )
    assert "pixel-knn gives no maps" in refused.stderr


@pytest.mark.parametrize("model", ["pixel-knn", "patchcore"])
def test_unreadable_images_are_named_and_skipped(bench: Bench, model: str, tmp_path: Path) -> None:
    whole = (bench.folder / "parts/nut/test/good/000.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "zz.png").write_bytes(whole)
    backbone = () if model == "pixel-knn" else ("--backbone", "tiny")
    found = bench.here(
        *("score", "--model", model, *backbone, "--prompts", "parts/nut/train", "--json", str(tmp_path)),
        code=3,
    )
    assert [row["image"] for row in lines(found.stdout)] == [str(tmp_path / "zz.png")]
    assert found.stderr.count("skipped: ") == 2
    assert "object at" not in found.stderr
    for name in ("cut.png", "empty.png"):
        assert name in found.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "pixel-nn", "--prompts", "parts/nut/train"], "Did you mean 'pixel-knn'?"),
        (["--model", "pixel-knn", "--prompts", "gone"], "--prompts: there is no gone"),
        (
            ["--model", "pixel-knn", "--prompts", "parts/nut/train", "--shots", "9"],
            "--prompts has 5 image(s), and K = 9",
        ),
        (
            ["--model", "pixel-knn", "--prompts", "parts/nut/train", "--backbone", "tiny"],
            "pixel-knn looks at images themselves",
        ),
        (
            ["--model", "pixel-knn", "--prompts", "parts/nut/train", "--option", "sice=3"],
            "Did you mean 'size'?",
        ),
        (
            ["--model", "pixel-knn", "--prompts", "parts/nut/train", "--option", "size=no"],
            "option size of pixel-knn",
        ),
        (["--model", "inctrl", "--prompts", "parts/nut/train"], "harness train --model inctrl"),
        (
            ["--model", "winclip", "--prompts", "parts/nut/train", "--checkpoint", "x"],
            "winclip is not trained",
        ),
        (
            ["--model", "patchcore", "--prompts", "parts/nut/train", "--backbone", "nonsense"],
            "is not a backbone",
        ),
    ],
)
def test_what_is_wrong_is_said(bench: Bench, arguments: list[str], said: str) -> None:
    ended = bench.here("score", *arguments, "parts/nut/test/good", code=2)
    assert said in ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr


def test_an_option_that_yaml_cannot_read() -> None:
    info = registry.load().find("pixel-knn").info
    with pytest.raises(UsageError, match=r"'\[1' is not a value"):
        options_of(info, ["size=[1"])


def test_an_empty_folder_is_not_a_prompt(bench: Bench, tmp_path: Path) -> None:
    ended = bench.here("score", "--model", "pixel-knn", "--prompts", str(tmp_path), "parts", code=2)
    assert "no image files in" in ended.stderr
