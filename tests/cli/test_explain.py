"""`harness plan --explain`: which field changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from support import Bench

GRID = "models: [{{name: pixel-knn, options: {{size: {size}}}}}]\ndatasets: [./parts]\nshots: [2]\nseeds: [0, 1]\n"


def image(bench: Bench, place: str, seed: int) -> None:
    path = bench.folder / "parts" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def explained(
    bench: Bench, size: int = 8, job: str = "pixel-knn/parts/K2/seed0", more: str = ""
) -> list[str]:
    path = bench.grid(GRID.format(size=size) + more)
    said = bench.here("plan", "--grid", path, "--explain", job, "--json").stdout
    lines: list[str] = json.loads(said)
    return [line.strip() for line in lines[1:]]


def test_it_names_what_changed(tmp_path: Path, cluster: str) -> None:
    bench = Bench(tmp_path)
    for number in range(4):
        image(bench, f"nut/train/good/{number}.png", number)
        image(bench, f"nut/test/good/{number}.png", 10 + number)
        image(bench, f"nut/test/scratch/{number}.png", 20 + number)
    assert explained(bench) == ["1 parts: 1 new", "no earlier job of this name is recorded"]
    bench.run("submit", "--grid", bench.grid(GRID.format(size=8)), "--address", cluster)
    same = "the same job is recorded already: nothing that it depends on has changed"
    assert explained(bench) == ["1 parts: 1 done", same]
    lack = "1 parts: its scores are recorded, but not the maps that are to be kept now"
    assert explained(bench, more="maps: all\n") == ["1 parts: 1 new", same, lack]
    lines = explained(bench, size=9)
    assert "method: options.size was 8, is 9" in lines
    assert "method: input.size was 8, is 9" in lines
    # Files added to train/good: with many of them some seed draws others.
    for number in range(100, 103):
        image(bench, f"nut/train/good/{number}.png", number)
    image(bench, "nut/test/scratch/2.png", 99)
    (bench.folder / "parts/nut/test/good/3.png").unlink()
    both = [explained(bench, job=f"pixel-knn/parts/K2/seed{seed}") for seed in (0, 1)]
    for lines in both:
        assert (
            "data: 3 files added in nut/train/good (nut/train/good/100.png, nut/train/good/101.png, "
            "nut/train/good/102.png)" in lines
        )
        assert "data: 1 file removed in nut/test/good (nut/test/good/3.png)" in lines
        assert "data: 1 file changed in nut/test/scratch (nut/test/scratch/2.png)" in lines
        assert not any(line.startswith("method:") for line in lines)
    assert any(
        "prompts: seed" in line and "draws other images of nut" in line for lines in both for line in lines
    )
    unknown = bench.here(
        "plan", "--grid", str(bench.folder / "grid.yaml"), "--explain", "pixel-knn/parts/K3/seed0", code=2
    )
    assert "Did you mean 'pixel-knn/parts/K2/seed0'?" in unknown.stderr


def test_max_failures_says_what_it_wants(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for text in ("-1", "many", "120%", "1.5"):
        ended = bench.here("submit", "--grid", "demo", "--max-failures", text, code=2)
        assert "is neither a number of parts nor a share below 100%" in ended.stderr
