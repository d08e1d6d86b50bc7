"""Pixel metrics end to end: computed where a part is scored, from all of its maps, kept or streamed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Bench

from gad.harness.errors import DataError
from gad.harness.executor.pixels import Pixels, View, measure
from gad.harness.images import array_digest
from gad.harness.nouns import ImageInput, Sample
from gad.harness.pixelmetrics import summary
from gad.harness.store import mapfiles
from gad.harness.store.recorded import maps_kept

pytestmark = pytest.mark.timeout(600)

GOOD, BAD, SIDE = 70, 70, 20  # two slices
METRICS = ("pixel_auroc", "pixel_auprc", "pixel_aupro")
GRID = """
models: [patchcore, pixel-knn]
datasets: ['{folder}']
shots: [1]
seeds: [0]
backbone: tiny
{more}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One category in MVTec layout; a defect is a bright block, and so is its mask."""
    folder = tmp_path_factory.mktemp("raw") / "blocks"
    draw = np.random.default_rng(0)
    for place, count in (("train/good", 2), ("test/good", GOOD), ("test/block", BAD)):
        (folder / "thing" / place).mkdir(parents=True)
        for number in range(count):
            pixels = draw.integers(60, 120, (SIDE, SIDE + 4, 3), dtype=np.uint8)
            if place == "test/block":
                top, left = draw.integers(0, SIDE - 8, 2)
                pixels[top : top + 8, left : left + 8] = 255
                mask = np.zeros(pixels.shape[:2], np.uint8)
                mask[top : top + 8, left : left + 8] = 255
                marks = folder / "thing/ground_truth/block"
                marks.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(marks / f"{number:03d}_mask.png")
            Image.fromarray(pixels).save(folder / "thing" / place / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def kept(folder: Path, tmp_path_factory: pytest.TempPathFactory, cluster: str) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("kept"))
    more = "maps: all\npixel_metrics: true"
    bench.run("submit", "--grid", bench.grid(GRID.format(folder=folder, more=more)), "--address", cluster)
    return bench


def measured(bench: Bench) -> dict[str, tuple[float | None, ...]]:
    columns = ", ".join(METRICS)
    return {row[0]: row[1:] for row in bench.query(f"SELECT model, {columns} FROM category_results")}


def test_metrics_are_those_of_the_kept_maps(kept: Bench, folder: Path) -> None:
    """All maps were kept: their metrics can be computed again, to what fp16 leaves of them."""
    ((part,),) = kept.query("SELECT part_id FROM parts WHERE model = 'patchcore'")
    found = mapfiles.read(kept.results, maps_kept(kept.results)[part][1])
    assert len(found.ids) == GOOD + BAD
    assert found.seen == ImageInput(size=128, resize="crop")  # what the leaderboard draws them over
    masks = []
    for name in found.ids:
        mask = Image.new("L", (SIDE + 4, SIDE))
        if "good" not in name:
            mask = Image.open(folder / name.replace("test", "ground_truth").replace(".png", "_mask.png"))
        left = round((int(128 * (SIDE + 4) / SIDE) - 128) / 2)
        wide = mask.resize((int(128 * (SIDE + 4) / SIDE), 128), Image.Resampling.NEAREST)
        masks.append(np.asarray(wide)[:, left : left + 128] > 0)
    again = summary(found.maps.astype(np.float32), np.stack(masks))
    values = measured(kept)["patchcore"]
    assert values == pytest.approx(tuple(getattr(again, name) for name in METRICS), abs=1e-3)
    assert values[0] > 0.7  # the blocks are found
    assert measured(kept)["pixel-knn"] == (None, None, None)


def test_they_are_shown(kept: Bench) -> None:
    table = kept.run("results", "--layout", "pixel").stdout
    assert "AUPRO" in table
    assert "pixel-knn" not in table
    (row,) = kept.json("results", "--layout", "pixel")
    assert (row["pixel_auroc_mean"],) == measured(kept)["patchcore"][:1]
    costs = {row["model"]: row for row in kept.json("results", "--layout", "costs")}
    assert costs["pixel-knn"]["parameters"] == 0
    assert "ms/image" in kept.run("results", "--layout", "costs").stdout


def test_streamed_and_wanted_later_they_have_the_same_bits(
    kept: Bench, folder: Path, tmp_path: Path, cluster: str
) -> None:
    bench = Bench(tmp_path)
    bench.run("submit", "--grid", bench.grid(GRID.format(folder=folder, more="")), "--address", cluster)
    assert set(measured(bench).values()) == {(None, None, None)}
    before = bench.scores()
    more = "maps: {worst: 3}\npixel_metrics: true"
    path = bench.grid(GRID.format(folder=folder, more=more))
    assert bench.json("plan", "--grid", path)["new"] == 2
    bench.run("submit", "--grid", path, "--address", cluster, "--features", "stream")
    assert measured(bench) == measured(kept)
    assert bench.scores() == before == kept.scores()
    assert "nothing to do" in bench.run("submit", "--grid", path).stderr
    whole, some = (
        {i: m.tobytes() for file in files if file for i, m in read_maps(each, file)}
        for each in (kept, bench)
        for files in [[name for _, name in maps_kept(each.results).values()]]
    )
    assert len(some) == 6
    assert some.items() < whole.items()


def read_maps(bench: Bench, name: str) -> list[tuple[str, np.ndarray]]:
    found = mapfiles.read(bench.results, name)
    return list(zip(found.ids, found.maps, strict=True))


def test_a_mask_that_changed_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).save(tmp_path / "mask.png")
    blank = np.zeros((4, 4, 3), np.uint8)
    sample = Sample(
        id="a", path="a.png", label=1, split="test", category="c", digest=array_digest(blank), mask="mask.png"
    )
    view = View(root=str(tmp_path), seen=ImageInput(size=4))
    maps = np.eye(4, dtype=np.float32)[None]
    assert measure(Pixels(maps, (sample,), view)).pixel_aupro == 1.0
    for mask, digest in (("mask.png", "0" * 64), ("gone.png", "")):
        other = sample.model_copy(update={"mask": mask, "mask_digest": digest})
        with pytest.raises(DataError, match="mask of a"):
            measure(Pixels(maps, (other,), view))
