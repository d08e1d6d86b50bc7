"""Image files of every kind and in every state: each gives its pixels, or an error that names the file."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from gad.harness import images
from gad.harness.executor.decode import pixels_of
from gad.harness.nouns import ImageInput, Sample

WANTED = ImageInput(size=8, resize="crop")
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)
FORMATS = ("png", "jpeg", "bmp", "tiff", "gif", "webp", "ppm")
SIXTEEN = Image.fromarray(np.full((40, 60), 200 << 8, np.uint16))
TURNED = Image.Exif()
TURNED[0x0112] = 3

Make = Callable[[Path], object]


def read(path: Path) -> tuple[np.ndarray, str]:
    """Pixels of a file as a run reads it, and its error (or an empty string)."""
    content = path.read_bytes() if path.is_file() else b""
    sample = Sample(
        id=path.name,
        path=path.name,
        label=0,
        split="test",
        category="c",
        digest=images.stored_digest(content, None),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        pixels, errors = pixels_of([sample], path.parent, WANTED)
    return pixels[0], errors.get(sample.digest, "")


def saved(image: Image.Image, form: str, **how: object) -> Make:
    return lambda path: image.save(path, form, **how)


def written(content: bytes) -> Make:
    return lambda path: path.write_bytes(content)


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that says it has so many grey pixels of one bit."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def text_bomb(path: Path) -> None:
    """A hundred MB of text in a small PNG: Pillow refuses."""
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "a" * 100_000_000, zip=True)
    PICTURE.save(path, "png", pnginfo=info)


def animated(form: str, **how: object) -> Make:
    frames = [PICTURE, PICTURE.rotate(180), Image.new("RGB", PICTURE.size)]
    return lambda path: frames[0].save(path, form, save_all=True, append_images=frames[1:], **how)


def as_tiff(values: np.ndarray) -> Make:
    return saved(Image.fromarray(values), "tiff")


GOOD: dict[str, Make] = {
    **{f"whole {form}": saved(PICTURE, form) for form in FORMATS},
    **{
        f"mode {mode}": saved(PICTURE.convert(mode), "tiff")
        for mode in ("1", "L", "P", "RGBA", "CMYK", "LAB")
    },
    "mode LA": saved(PICTURE.convert("LA"), "png"),
    "mode YCbCr": saved(PICTURE.convert("YCbCr"), "jpeg"),
    "CMYK JPEG": saved(PICTURE.convert("CMYK"), "jpeg"),
    "palette with transparency": saved(PICTURE.convert("P"), "png", transparency=3),
    "16 bits PNG": saved(SIXTEEN, "png"),
    "16 bits TIFF": saved(SIXTEEN, "tiff"),
    "animated GIF": animated("gif", duration=50),
    "animated WebP": animated("webp"),
    "animated PNG": animated("png"),
    "pages of a TIFF": animated("tiff"),
    "progressive JPEG": saved(PICTURE, "jpeg", progressive=True),
    "EXIF that turns": saved(PICTURE, "jpeg", exif=TURNED),
    "a profile that is none": saved(PICTURE, "png", icc_profile=b"not a profile"),
    "1 x 1": saved(Image.new("RGB", (1, 1)), "png"),
    "1 x 300": saved(Image.new("RGB", (1, 300)), "png"),
    "300 x 1": saved(Image.new("RGB", (300, 1)), "png"),
    "30,000 x 4": saved(Image.new("L", (30_000, 4)), "png"),
    "more after the end": lambda path: (
        PICTURE.save(path, "png"),
        path.write_bytes(path.read_bytes() + b"x" * 999),
    ),
}


def cut(form: str, share: float) -> Make:
    def make(path: Path) -> None:
        PICTURE.save(path, form)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return make


def loop(path: Path) -> None:
    path.symlink_to(path.name)


BAD: dict[str, Make] = {
    **{f"{form} cut at {share}": cut(form, share) for form in FORMATS for share in (0.1, 0.5, 0.9)},
    "zero bytes": written(b""),
    "one byte": written(b"\x89"),
    "zeros": written(bytes(4096)),
    "a PNG's start": written(b"\x89PNG\r\n\x1a\n"),
    "a JPEG's start": written(b"\xff\xd8\xff\xe0"),
    "text": written(b"<html>404 not found</html>"),
    "a zip file": written(b"PK\x03\x04" + bytes(100)),
    "a PNG of no size": written(png(0, 0)),
    "a PNG without data": written(png(10, 10)),
    "a PNG of wrong data": written(png(10, 10, b"garbage")),
    "30,000 x 30,000": written(png(30_000, 30_000, zlib.compress(bytes(1000)))),
    "two billion pixels a side": written(png(2**31 - 1, 2**31 - 1, zlib.compress(bytes(10)))),
    "a text bomb": text_bomb,
    "1 x 2,900,000: huge when its short side is resized": saved(Image.new("1", (1, 2_900_000)), "png"),
    "32-bit integers": as_tiff(np.full((9, 9), 7, np.int32)),
    "32-bit floats": as_tiff(np.full((9, 9), 0.5, np.float32)),
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": loop,
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "not there": lambda path: None,
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD.keys())
def test_what_can_be_read(make: Make, tmp_path: Path) -> None:
    make(tmp_path / "image.png")
    pixels, error = read(tmp_path / "image.png")
    assert error == ""
    assert pixels.shape == (8, 8, 3)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_what_cannot_be_read_is_named(make: Make, tmp_path: Path) -> None:
    make(tmp_path / "image.png")
    pixels, error = read(tmp_path / "image.png")
    assert str(tmp_path / "image.png") in error
    assert not pixels.any()
    assert "Traceback" not in error


def test_the_first_frame_counts(tmp_path: Path) -> None:
    for name, form in (("animated PNG", "png"), ("pages of a TIFF", "tiff")):
        GOOD[name](tmp_path / form)
        GOOD[f"whole {form}"](tmp_path / f"still-{form}")
        assert np.array_equal(read(tmp_path / form)[0], read(tmp_path / f"still-{form}")[0])


def test_sixteen_bits_keep_their_picture(tmp_path: Path) -> None:
    GOOD["16 bits PNG"](tmp_path / "image.png")
    assert np.unique(read(tmp_path / "image.png")[0]).tolist() == [200]
