"""Tiles: squares that cover a long image, and one score and map of them again."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gad.harness import tiles
from gad.harness.errors import DataError
from gad.harness.images import crop_digest, open_image, stored_digest
from gad.harness.nouns import Box, Sample

sides = st.integers(1, 400)


def saved(folder: Path, pixels: np.ndarray, name: str = "a.png", crop: Box | None = None) -> Sample:
    Image.fromarray(pixels).save(folder / name)
    digest = stored_digest((folder / name).read_bytes(), crop)
    return Sample(id=name, path=name, label=0, split="test", category="c", digest=digest, crop=crop)


def noise(high: int, wide: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (high, wide, 3), dtype=np.uint8)


def test_doctests() -> None:
    found = doctest.testmod(tiles)
    assert found.attempted > 0
    assert not found.failed


@given(sides, sides)
def test_as_few_squares_as_cover_the_image(wide: int, high: int) -> None:
    found = tiles.boxes(wide, high)
    covered = np.zeros((high, wide), bool)
    for left, top, right, bottom in found:
        assert right - left == bottom - top == min(wide, high)
        assert covered[top:bottom, left:right].shape == (bottom - top, right - left)  # within the image
        covered[top:bottom, left:right] = True
    assert covered.all()
    assert (len(found) - 1) * min(wide, high) < max(wide, high)
    assert list(found) == sorted(set(found))


def test_a_tile_is_read_and_known_by_what_it_is_cut_from(tmp_path: Path) -> None:
    pixels = noise(20, 50)
    whole = saved(tmp_path, pixels)
    found = tiles.find([whole], tmp_path)
    shown = tiles.shown([whole], found)
    assert [np.asarray(open_image(tmp_path, tile)).tolist() for tile in shown] == [
        pixels[:, start : start + 20].tolist() for start in (0, 15, 30)
    ]
    assert len({tile.digest for tile in shown} | {whole.digest}) == 4
    assert {tile.id for tile in shown} == {"a.png"}
    with pytest.raises(DataError, match="changed since the dataset was prepared"):
        open_image(tmp_path, shown[0].model_copy(update={"digest": shown[1].digest}))


def test_a_crop_is_tiled_like_an_image_of_its_own(tmp_path: Path) -> None:
    pixels = noise(60, 30)
    third = saved(tmp_path, pixels, crop=(5, 0, 25, 50))
    found = tiles.find([third], tmp_path)
    first, *_, last = tiles.shown([third], found)
    assert np.array_equal(np.asarray(open_image(tmp_path, first)), pixels[:20, 5:25])
    assert np.array_equal(np.asarray(open_image(tmp_path, last)), pixels[30:50, 5:25])
    assert first.digest == crop_digest(third.digest, (0, 0, 20, 20))


def test_square_and_unreadable_images_are_left_whole(tmp_path: Path) -> None:
    square = saved(tmp_path, noise(9, 9))
    broken = saved(tmp_path, noise(9, 20), "b.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    gone = square.model_copy(update={"path": "c.png", "digest": "c"})
    assert tiles.find([square, broken, gone], tmp_path) == {}
    assert tiles.shown([square], {}) == (square,)


def test_an_image_of_too_many_tiles_is_named(tmp_path: Path) -> None:
    assert len(tiles.find([saved(tmp_path, noise(2, 128))], tmp_path).popitem()[1]) == 64
    with pytest.raises(DataError, match=r"b\.png .* has 129 x 2 pixels"):
        tiles.find([saved(tmp_path, noise(2, 129), "b.png")], tmp_path)


def test_an_image_is_as_anomalous_as_its_worst_tile(tmp_path: Path) -> None:
    samples = [
        saved(tmp_path, noise(4, 10), "a.png"),
        saved(tmp_path, noise(4, 4), "b.png"),
        saved(tmp_path, noise(9, 4), "c.png"),
    ]
    found = tiles.find(samples, tmp_path)
    assert tiles.scores([1.0, 5.0, 2.0, -3.0, 0.5, 0.0, -1.0], samples, found) == [5.0, -3.0, 0.5]
    assert tiles.scores([1.0, 2.0, 3.0], samples, {}) == [1.0, 2.0, 3.0]


def test_maps_are_put_together_where_their_tiles_lie(tmp_path: Path) -> None:
    """The map of a picture that is itself the map, cut into tiles, is that picture made smaller."""
    wide = saved(tmp_path, noise(8, 20), "a.png")
    square = saved(tmp_path, noise(8, 8), "b.png")
    picture = np.random.default_rng(1).random((8, 20)).astype(np.float32)
    found = tiles.find([wide, square], tmp_path)
    cut = [picture[:, left:right] for left, _, right, _ in found[wide.digest]]
    own = np.full((8, 8), 7, np.float32)
    joined = tiles.maps(np.stack([*cut, own]), [wide, square], found)
    small = np.asarray(Image.fromarray(picture).resize((8, 8), Image.Resampling.BILINEAR))
    assert np.allclose(joined[0], small, atol=1e-6)
    assert np.array_equal(joined[1], own)
    # Where tiles overlap (columns 6 and 7, 12 and 13) the higher value holds.
    cut[1] = cut[1] + 10
    higher = tiles.maps(np.stack(cut), [wide], found)[0]
    raised = picture.copy()
    raised[:, 6:14] += 10
    assert np.allclose(
        higher, np.asarray(Image.fromarray(raised).resize((8, 8), Image.Resampling.BILINEAR)), atol=1e-5
    )
