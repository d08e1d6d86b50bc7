"""From a file to pixels: the same as torchvision's CLIP preprocessing, and errors that name the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gad.harness import images
from gad.harness.errors import DataError
from gad.harness.nouns import ImageInput, Sample

MODES = ("RGB", "L", "P", "RGBA", "LA", "1", "CMYK")


def picture(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@settings(max_examples=60)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from(MODES), st.integers(1, 64))
def test_crop_is_torchvisions(width: int, height: int, mode: str, size: int) -> None:
    """Resize (short side, bicubic, antialiased) -> CenterCrop -> RGB, to the pixel, any size and mode."""
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    image = picture(width, height, mode)
    reference = Compose([Resize(size, InterpolationMode.BICUBIC), CenterCrop(size)])(image).convert("RGB")
    found = images.to_pixels(image, ImageInput(size=size, resize="crop"))
    assert np.array_equal(found, np.asarray(reference))


@pytest.mark.parametrize("mode", MODES)
def test_squash_keeps_everything(mode: str) -> None:
    image = picture(50, 20, mode)
    found = images.to_pixels(image, ImageInput(size=16))
    assert found.shape == (16, 16, 3)
    assert np.array_equal(found, np.asarray(image.resize((16, 16), Image.Resampling.BICUBIC).convert("RGB")))


@settings(max_examples=40)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from(MODES), st.integers(1, 64))
def test_pad_keeps_everything_in_a_black_square(width: int, height: int, mode: str, size: int) -> None:
    """The long side fits, the short one keeps its ratio to half a pixel, what is around is black and even."""
    image = picture(width, height, mode)
    wide, high = (max(1, round(side * size / max(width, height))) for side in (width, height))
    found = images.to_pixels(image, ImageInput(size=size, resize="pad"))
    left, top = (size - wide) // 2, (size - high) // 2
    inner = image.resize((wide, high), Image.Resampling.BICUBIC) if image.size != (wide, high) else image
    assert np.array_equal(found[top : top + high, left : left + wide], np.asarray(inner.convert("RGB")))
    outside = found.copy()
    outside[top : top + high, left : left + wide] = 0
    assert not outside.any()
    assert found.shape == (size, size, 3)


def test_a_square_image_is_the_same_however_it_is_made_square() -> None:
    image = picture(50, 50)
    found = [images.to_pixels(image, ImageInput(size=16, resize=how)) for how in ("crop", "squash", "pad")]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_sixteen_bits_keep_their_picture() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    found = images.to_pixels(Image.fromarray(ramp), ImageInput(size=64))
    assert np.abs(found[0, :, 0].astype(int) - (ramp[0] >> 8)).max() <= 1


def sample(path: str, digest: str, **fields: object) -> Sample:
    known = {"id": path, "path": path, "label": 0, "split": "test", "category": "c", "digest": digest}
    return Sample.model_validate({**known, **fields})


def test_a_crop_of_a_file(tmp_path: Path) -> None:
    image = picture(30, 20)
    image.save(tmp_path / "a.png")
    digest = images.stored_digest((tmp_path / "a.png").read_bytes(), (5, 2, 15, 12))
    found = images.open_image(tmp_path, sample("a.png", digest, crop=(5, 2, 15, 12)))
    assert np.array_equal(np.asarray(found), np.asarray(image)[2:12, 5:15])


def test_an_index_of_an_array(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", stack)
    found = images.open_image(tmp_path, sample("a.npy", images.array_digest(stack[1]), index=1))
    assert np.array_equal(np.asarray(found), stack[1])


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n broken"])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read image .*bad\.png"):
        images.open_image(tmp_path, sample("bad.png", "00"))


def test_a_changed_or_missing_file_is_named(tmp_path: Path) -> None:
    picture(8, 8).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="changed since the dataset was prepared"):
        images.open_image(tmp_path, sample("a.png", "00" * 32))
    with pytest.raises(DataError, match=r"cannot read image .*gone\.png"):
        images.open_image(tmp_path, sample("gone.png", "00"))


@pytest.mark.parametrize(("kind", "said"), [(np.int32, "32-bit integers"), (np.float32, "32-bit floats")])
def test_32_bits_are_refused(tmp_path: Path, kind: type[np.generic], said: str) -> None:
    Image.fromarray(np.full((8, 8), 70_000, kind)).save(tmp_path / "a.tif")
    digest = images.stored_digest((tmp_path / "a.tif").read_bytes(), None)
    with pytest.raises(DataError, match=rf"a\.tif .*{said}") as raised:
        images.open_image(tmp_path, sample("a.tif", digest))
    assert "8 or 16 bits" in raised.value.fix
    stack = np.zeros((1, 8, 8), kind)
    np.save(tmp_path / "a.npy", stack)
    with pytest.raises(DataError, match=said):
        images.open_image(tmp_path, sample("a.npy", images.array_digest(stack[0]), index=0))  # type: ignore[arg-type]


def test_sixteen_bits_of_a_file_are_read(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        Image.fromarray(np.full((8, 8), 70 << 8, np.uint16)).save(tmp_path / name)
        digest = images.stored_digest((tmp_path / name).read_bytes(), None)
        found = images.to_pixels(images.open_image(tmp_path, sample(name, digest)), ImageInput(size=8))
        assert np.unique(found).tolist() == [70]


def test_a_position_or_crop_that_is_not_there(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 8, 8), np.uint8))
    with pytest.raises(DataError, match=r"cannot read image .*a\.npy .*IndexError"):
        images.open_image(tmp_path, sample("a.npy", "00", index=3))
    picture(8, 8).save(tmp_path / "a.png")
    for crop in ((6, 0, 2, 4), (0, 0, 2**31 - 1, 2**31 - 1)):
        digest = images.stored_digest((tmp_path / "a.png").read_bytes(), crop)
        with pytest.raises(DataError, match=r"cannot read image .*a\.png"):
            images.open_image(tmp_path, sample("a.png", digest, crop=crop))
