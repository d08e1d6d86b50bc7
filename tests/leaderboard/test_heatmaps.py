"""Heat maps of the dataset page: where on the picture a map's values come to lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import raws
from PIL import Image

from gad.harness.nouns import ImageInput
from gad.harness.store import mapfiles, read
from gad.leaderboard import heatmaps, pictures

SEEN = ImageInput(size=64, resize="crop")


@pytest.fixture
def part(folder, tmp_path):
    """Images 120 x 60, grey in their middle square and white beside it, which the crop cuts away."""
    raw = raws.mvtec(tmp_path / "parts", "bolt")
    pixels = np.full((60, 120, 3), 255, np.uint8)
    pixels[:, 30:90] = 90
    for path in raw.rglob("test/**/*.png"):
        Image.fromarray(pixels).save(path)
    mask = np.zeros((60, 120), np.uint8)
    mask[45:55, 75:85] = 255
    for path in raw.rglob("*_mask.png"):
        Image.fromarray(mask).save(path)
    prepared = folder.prepare(raw, tmp_path / "data")
    folder.record(*folder.plan("mapped", "parts", seeds=(0,)), seen=SEEN)
    return folder, pictures.album(tmp_path / "data", "parts", prepared.fingerprint)


def test_a_map_lies_over_what_the_detector_saw(part) -> None:
    folder, album = part
    ((name, _),) = [(row["part_id"], row) for row in read.results(folder.path, "category")]
    heat = heatmaps.find(folder.path, name)
    assert heat is not None
    assert (heat.low, heat.high) == (1, 5)
    assert "its own most (yellow); all maps kept here go from 1 to 5" in heatmaps.words(heat)
    samples = album.samples("bolt")
    bad = next(samples[i] for i in sorted(heat.ids) if samples[i].label)
    drawn, mask = heatmaps.draw(album.prepared.root_path, bad, heat)
    pixels = np.asarray(drawn).astype(int)
    assert pixels.shape == (64, 64, 3)
    # The white that was cropped away is not there; lower right, where the map is lowest, nothing is drawn.
    assert (pixels[60, 60] == 90).all()
    # Upper left, 55 % of the way from grey 90 to viridis' yellow (253, 231, 37).
    assert pixels[3, 3] == pytest.approx([180, 168, 61], abs=1)
    # On one scale, 1 to 9, that corner is half way: 27.5 % of the way from grey to viridis' green (33, 145, 140).
    shared = replace(heat, shared=True, high=9.0)
    assert "from the least (clear) to the most (yellow) of all maps kept here, 1 to 9" in heatmaps.words(
        shared
    )
    drawn, _ = heatmaps.draw(album.prepared.root_path, bad, shared)
    assert np.asarray(drawn)[3, 3] == pytest.approx([74, 105, 104], abs=1)
    rows, columns = np.nonzero(np.asarray(mask))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (48, 58, 48, 58)
    plain, heated = (pictures.card(album, bad, bad.id, "", given) for given in (None, heat))
    assert plain != heated
    assert "data:image/webp" in heated


def test_maps_that_are_gone_are_said_so(part) -> None:
    folder, album = part
    (row,) = read.results(folder.path, "category")
    heat = heatmaps.find(folder.path, row["part_id"])
    mapfiles.place(folder.path, heat.file).unlink()
    heatmaps._maps.cache_clear()
    gone = heatmaps.find(folder.path, row["part_id"])
    assert "cannot be read" in heatmaps.words(gone)
    sample = next(iter(album.samples("bolt").values()))
    assert pictures.card(album, sample, sample.id, "", gone) == pictures.card(album, sample, sample.id, "")


def test_a_part_without_maps_has_none(folder) -> None:
    folder.record(*folder.plan("plain", "d", seeds=(0,)))
    assert heatmaps.find(folder.path, read.results(folder.path, "category")[0]["part_id"]) is None
