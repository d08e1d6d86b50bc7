"""`resize: tile` from a grid to results, against tiles that were cut by hand and scored one by one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Bench

from gad.harness.estimate import recorded
from gad.harness.nouns import ImageInput
from gad.harness.store import mapfiles
from gad.harness.store.recorded import maps_kept

HIGH, WIDE = 40, 90
STARTS = (0, 25, 50)  # of three squares of 40 that cover 90


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Strips with a bright block at one end, where the centre that CLIP looks at does not reach; one is square."""
    folder, draw = tmp_path_factory.mktemp("raw") / "strips", np.random.default_rng(0)
    for place, count in (("train/good", 4), ("test/good", 4), ("test/block", 4)):
        (folder / "strip" / place).mkdir(parents=True)
        for number in range(count):
            wide = HIGH if number == 3 else WIDE
            pixels = draw.integers(60, 120, (HIGH, wide, 3), dtype=np.uint8)
            if place == "test/block":
                pixels[10:24, 2:16] = 255
                mask = np.zeros((HIGH, wide), np.uint8)
                mask[10:24, 2:16] = 255
                (folder / "strip/ground_truth/block").mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(folder / f"strip/ground_truth/block/{number}_mask.png")
            Image.fromarray(pixels).save(folder / "strip" / place / f"{number}.png")
    return folder


def grid(folder: Path, resize: str = "tile") -> str:
    return (
        f"models: [patchcore, winclip, pixel-knn]\ndatasets: ['{folder}']\nshots: [1, 2]\nseeds: [0]\n"
        f"backbone: tiny\nresize: {resize}\nmaps: all\npixel_metrics: true\n"
    ).replace("patchcore", "{name: patchcore, options: {backbone: tiny}}")


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory, cluster: str) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("tiled"))
    bench.run("submit", "--grid", bench.grid(grid(folder)), "--address", cluster)
    return bench


def by_hand(source: Path, target: Path) -> Path:
    """A folder with the tiles of an image, or the image where it is square."""
    target.mkdir(parents=True)
    image = Image.open(source)
    for start in STARTS if image.width > HIGH else (0,):
        image.crop((start, 0, start + HIGH, HIGH)).save(target / f"{start:02d}.png")
    return target


@pytest.mark.parametrize("model", ["patchcore", "winclip"])
def test_scores_are_those_of_the_worst_tile(
    finished: Bench, folder: Path, tmp_path: Path, model: str
) -> None:
    found = dict(
        finished.query(
            "SELECT sample_id, score FROM scores JOIN parts USING (part_id) "
            f"WHERE model = '{model}' AND shots = 2"
        )
    )
    assert len(found) == 8
    drawn = finished.query(
        "SELECT DISTINCT sample_id FROM prompts JOIN parts USING (part_id) WHERE shots = 2"
    )
    assert len(drawn) == 2
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    for (name,) in drawn:
        for tile in by_hand(folder / name, tmp_path / "cut" / name.replace("/", "-")).iterdir():
            shutil.copy(tile, prompts / f"{Path(name).stem}-{tile.name}")
    for name, score in found.items():
        if not name.endswith(("0.png", "3.png")):  # long and square, good and bad
            continue
        queries = by_hand(folder / name, tmp_path / "queries" / name.replace("/", "-"))
        told = finished.here(
            "score", "--model", model, "--backbone", "tiny", "--prompts", str(prompts),
            "--class-name", "strip", "--json", str(queries),
        ).stdout  # fmt: skip
        tiles = [json.loads(line)["score"] for line in told.splitlines()]
        assert len(tiles) == len(list(queries.iterdir()))
        assert score == pytest.approx(max(tiles), abs=1e-4)


def test_what_is_recorded_is_of_whole_images(finished: Bench) -> None:
    assert [row["status"] for row in finished.json("results", "--by", "job")] == ["done"] * 6
    ((scores, images),) = finished.query("SELECT count(*), count(DISTINCT sample_id) FROM scores")
    assert (scores, images) == (6 * 8, 8)
    prompts = finished.query(
        "SELECT model, shots, count(*) FROM prompts JOIN parts USING (part_id) GROUP BY ALL"
    )
    assert {(model, shots): count for model, shots, count in prompts} == {
        (model, shots): shots for model in ("patchcore", "winclip", "pixel-knn") for shots in (1, 2)
    }
    # Of costs, too: eight test images and two prompts, however many tiles.
    ((encoded,),) = finished.query("SELECT sum(images) FROM tasks WHERE stage = 'encode' AND model <> ''")
    assert encoded == 10


def test_maps_are_of_whole_images_and_find_what_the_crop_leaves_out(
    finished: Bench, folder: Path, tmp_path: Path, cluster: str
) -> None:
    ((part,),) = finished.query("SELECT part_id FROM parts WHERE model = 'patchcore' AND shots = 2")
    kept = mapfiles.read(finished.results, maps_kept(finished.results)[part][1])
    assert len(kept.ids) == 8
    assert kept.seen is not None
    assert kept.seen == ImageInput(size=kept.seen.size, resize="squash")
    row = kept.ids.index("strip/test/block/0.png")
    _, wide = kept.maps[row].shape
    left = kept.maps[row][:, : round(wide * 18 / WIDE) + 1].max()
    assert left > kept.maps[row][:, round(wide * 0.4) :].max()
    cropped = Bench(tmp_path)
    cropped.run("submit", "--grid", cropped.grid(grid(folder, "crop")), "--address", cluster)
    asked = "SELECT {} FROM category_results WHERE model = 'patchcore' AND shots = 2"
    ((tiled, of_pixels),) = finished.query(asked.format("auroc, pixel_auroc"))
    ((centre,),) = cropped.query(asked.format("auroc"))
    assert tiled > 0.9 > centre
    assert of_pixels > 0.9
    # A method with pixels of its own does not see tiles.
    keys = "SELECT DISTINCT method_key FROM parts WHERE model = '{}'"
    assert finished.query(keys.format("pixel-knn")) == cropped.query(keys.format("pixel-knn"))
    assert finished.query(keys.format("winclip")) != cropped.query(keys.format("winclip"))


def test_the_plan_counts_tiles(folder: Path, finished: Bench, tmp_path: Path) -> None:
    planned = Bench(tmp_path).json("plan", "--grid", Bench(tmp_path).grid(grid(folder)))
    held = sum(s["bytes"] for s in finished.json("cache", "info") if s["name"] not in ("text", "pixels"))
    assert planned["feature_bytes"] == pytest.approx(held, rel=0.05)
    # Times are recorded by the image and would be multiplied by tiles.
    assert "tiny" not in recorded(finished.results).encode


def test_tiles_are_not_streamed(folder: Path, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    ended = bench.run("submit", "--grid", bench.grid(grid(folder)), "--features", "stream", code=2)
    assert "cannot be streamed" in ended.stderr
