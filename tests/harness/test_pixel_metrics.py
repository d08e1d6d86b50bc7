"""Pixel metrics against a slow oracle, and against values found by hand."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import pixels as oracle
from PIL import Image

from gad.harness.images import mask_pixels, to_pixels
from gad.harness.nouns import ImageInput
from gad.harness.pixelmetrics import region_weights, stretched, summary


def drawn(seed: int, *, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    """Maps of 4x5 for images of 12x12, and masks with several regions, one image without any."""
    draw = np.random.default_rng(seed)
    maps = draw.random((3, 4, 5)).astype(np.float32)
    if ties:
        maps = np.round(maps * 2) / 2
    masks = draw.random((3, 12, 12)) < 0.15
    masks[2] = False
    return maps, masks


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_against_the_oracle(seed: int, ties: bool) -> None:
    maps, masks = drawn(seed, ties=ties)
    found = summary(maps, masks)
    wide = np.stack([oracle.stretched(one, 12, 12) for one in maps])
    assert np.abs(stretched(maps, (12, 12)) - wide).max() < 1e-6
    heat = stretched(maps, (12, 12))  # the same bits: equal values stay equal
    marked = masks.ravel().tolist()
    assert found.pixel_auroc == pytest.approx(oracle.auroc(marked, heat.ravel().tolist()), abs=1e-9)
    assert found.pixel_auprc == pytest.approx(oracle.auprc(marked, heat.ravel().tolist()), abs=1e-9)
    assert found.pixel_aupro == pytest.approx(oracle.aupro(masks, heat), abs=1e-9)


@pytest.mark.parametrize("size", [(9, 9), (20, 33), (3, 4)])
def test_stretching(size: tuple[int, int]) -> None:
    maps = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)
    slow = np.stack([oracle.stretched(one, *size) for one in maps])
    assert np.abs(stretched(maps, size) - slow).max() < 1e-5


def test_diagonal_neighbours_are_one_region() -> None:
    mask = np.array([[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]], dtype=bool)
    assert region_weights(mask)[0].tolist() == [[0.5, 1, 1, 1], [1, 0.5, 1, 1], [1, 1, 1, 1]]


def test_by_hand() -> None:
    """Two regions, of 1 and 4 pixels, in a row of 15: the small one is found at once, the large one never.

    Up to a false positive rate of 0.3 half of the regions is found; of 10 normal pixels 3 are above.
    """
    masks = np.zeros((1, 1, 15), dtype=bool)
    masks[0, 0, [0, 11, 12, 13, 14]] = True
    heat = np.array([[[9, *range(8, -2, -1), -5, -5, -5, -5]]], dtype=np.float32)
    found = summary(heat, masks)
    assert found.pixel_aupro == pytest.approx(0.5)
    assert found.pixel_auroc == pytest.approx(10 / 50)  # 10 pairs right of 5 x 10
    assert found.pixel_auprc == pytest.approx(1 / 5 + 4 / 5 * 5 / 15)


def test_a_perfect_map_and_a_flat_one() -> None:
    masks = np.zeros((2, 8, 8), dtype=bool)
    masks[0, 2:4, 2:5] = True
    perfect = summary(masks.astype(np.float32), masks)
    assert (perfect.pixel_auroc, perfect.pixel_auprc, perfect.pixel_aupro) == (1, 1, 1)
    flat = summary(np.ones((2, 8, 8), np.float32), masks)
    assert flat.pixel_auroc == 0.5
    assert flat.pixel_auprc == pytest.approx(6 / 128)
    # From (0, 0) straight to (1, 1): 0.3 * 0.3 / 2, divided by 0.3.
    assert flat.pixel_aupro == pytest.approx(0.15)


def test_without_marked_pixels_nothing_is_defined() -> None:
    nothing = summary(np.ones((2, 2, 2), np.float32), np.zeros((2, 4, 4), dtype=bool))
    assert nothing.model_dump() == {"pixel_auroc": None, "pixel_auprc": None, "pixel_aupro": None}


@pytest.mark.parametrize(
    "wanted",
    [
        ImageInput(size=8, resize="crop"),
        ImageInput(size=8),
        ImageInput(size=8, resize="crop", short=12),
        ImageInput(size=20, resize="crop"),
    ],
)
@pytest.mark.parametrize("size", [(9, 9), (25, 17), (17, 31), (9, 11)])
def test_masks_follow_their_image(wanted: ImageInput, size: tuple[int, int]) -> None:
    """Resized with nearest neighbour to the size that the image is resized to, and cropped at the same place.

    Sides are odd, so that no pixel's centre falls between two pixels of the mask.
    """
    high, wide = size
    mask = np.random.default_rng(0).random((high, wide)) < 0.5
    found = mask_pixels(Image.fromarray(mask.astype(np.uint8) * 255), wanted)
    assert found.dtype == np.bool_
    short = wanted.short or wanted.size
    if wanted.resize == "squash":
        resized = oracle.nearest(mask, short, short)
    else:
        scale = short / min(high, wide)
        resized = oracle.nearest(mask, int(high * scale + 1e-9), int(wide * scale + 1e-9))
    top, left = (round((side - wanted.size) / 2) for side in resized.shape)
    assert (found == resized[top : top + wanted.size, left : left + wanted.size]).all()


@pytest.mark.parametrize("resize", ["crop", "squash", "pad"])
def test_a_marked_half_stays_where_the_image_is_bright(resize: str) -> None:
    """Image and mask go through the same geometry: a picture of the mask ends up where the mask does."""
    picture = np.zeros((64, 100), np.uint8)
    picture[20:50, 30:70] = 255
    image, wanted = Image.fromarray(picture), ImageInput.model_validate({"size": 32, "resize": resize})
    bright = to_pixels(image, wanted)[..., 0] > 127
    assert (bright == mask_pixels(image, wanted)).mean() > 0.97
