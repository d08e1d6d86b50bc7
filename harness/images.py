"""Reading one sample's image, and turning it into the pixels an adapter wants.

The order is that of CLIP's preprocessing: resize the image as it is stored (bicubic with Pillow's
antialiasing; palette images with nearest neighbour), crop, then convert to RGB. No EXIF rotation. Encoders
that want it otherwise say so in their ImageInput.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops

from gad.harness.errors import DataError
from gad.harness.nouns import Box, ImageInput, Resize, Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray


LARGEST = 178_956_970  # pixels, as Pillow has it: a few hundred bytes may say that they are as many


def stored_digest(content: bytes, crop: Box | None) -> str:
    """Digest of an image held in a file of its own, or of a crop of it."""
    whole = hashlib.sha256(content).hexdigest()
    return whole if crop is None else crop_digest(whole, crop)


def crop_digest(whole: str, crop: Box) -> str:
    """Digest of a crop of the file whose sha256 is ``whole``, or of a tile of the image whose digest that is."""
    return hashlib.sha256(f"{whole}|{crop}".encode()).hexdigest()


def array_digest(image: NDArray[np.uint8]) -> str:
    """Digest of one image of an array file: its shape and bytes."""
    header = f"{image.dtype}{list(image.shape)}|".encode()
    return hashlib.sha256(header + np.ascontiguousarray(image).tobytes()).hexdigest()


def mask_paths(mask: str) -> list[str]:
    """The files of a sample's ``mask``: none, one, or several, which are united."""
    return mask.split("\n") if mask else []


def mask_digest(contents: Iterable[bytes]) -> str:
    """Digest of the files of one mask: the sha256 of a single one, or of the digests of several."""
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    return digests[0] if len(digests) == 1 else hashlib.sha256("|".join(digests).encode()).hexdigest()


def open_mask(root: Path, sample: Sample) -> Image.Image:
    """The mask of a sample as mode ``L``, 255 where any of its files marks anything, cropped like its image.

    Raises DataError, naming the file, when one cannot be read or they differ in size.
    """
    united: Image.Image | None = None
    for name in mask_paths(sample.mask):
        marks = marked(root / name)
        if united is not None and united.size != marks.size:
            raise DataError(
                f"{root / name} ({sample.id}) is {marks.size} pixels, another mask {united.size}",
                fix="Restore or remove the file.",
            )
        united = marks if united is None else ImageChops.lighter(united, marks)
    if united is None:
        raise DataError(f"{sample.id} has no mask")
    return united if sample.crop is None else united.crop(sample.crop)


def marked(path: Path) -> Image.Image:
    """A mask file as mode ``L``: 255 wherever any colour is not 0, whatever alpha says. DataError if unreadable."""
    try:
        mask = Image.open(io.BytesIO(path.read_bytes()))
        values = np.asarray(mask if mask.mode.startswith(("I", "F")) else mask.convert("RGB"))
    except Exception as error:  # as in open_image
        raise DataError(
            f"cannot read mask {path}: {type(error).__name__}: {error}", fix="Restore or remove the file."
        ) from error
    any_colour = (values != 0).any(axis=-1) if values.ndim == 3 else values != 0
    return Image.fromarray(any_colour.astype(np.uint8) * 255)


def open_image(root: Path, sample: Sample) -> Image.Image:
    """Decode one sample (mode as stored, crop applied) and check that it is the image of the manifest.

    Raises DataError, naming the file, when it is missing, unreadable, changed since it was prepared, or of
    32 bits (its values would be clipped to 8).
    """
    path = root / sample.path
    try:
        image = _decoded(path, sample)
        if image.mode in ("I", "F"):
            raise DataError(
                f"{path} ({sample.id}) holds 32-bit {'integers' if image.mode == 'I' else 'floats'}, whose range "
                "is not known",
                fix="Convert it to 8 or 16 bits, and prepare the dataset again.",
            )
        if sample.crop is not None:
            image = image.crop(sample.crop)
        return image if sample.tile is None else image.crop(sample.tile)
    except DataError:
        raise
    except Exception as error:  # Pillow and NumPy raise many kinds for damaged files: all mean "unreadable"
        said = re.sub(r" ?<_io\.\w+ object at \w+>", "", str(error))  # Pillow names the buffer it read from
        raise DataError(
            f"cannot read image {path} ({sample.id}): {type(error).__name__}: {said}",
            fix="Restore or remove the file.",
        ) from error


def _decoded(path: Path, sample: Sample) -> Image.Image:
    if sample.index is not None:
        array = _array(path)[sample.index]
        _same(path, sample, array_digest(array))
        return Image.fromarray(array)
    content = regular(path).read_bytes()
    image: Image.Image = Image.open(io.BytesIO(content))
    image.load()
    _same(path, sample, stored_digest(content, sample.crop))
    return image


def regular(path: Path) -> Path:
    """The path, unless it is something whose reading may never end: a pipe, a device. Raises OSError."""
    if path.exists() and not path.is_file():
        raise OSError("not a regular file")
    return path


def image_size(root: Path, sample: Sample) -> tuple[int, int]:
    """Width and height of a sample without its tile, from the file's header. DataError where it cannot be read."""
    if sample.crop is not None:
        left, top, right, bottom = sample.crop
        return right - left, bottom - top
    try:
        if sample.index is not None:
            high, wide = _array(root / sample.path)[sample.index].shape[:2]
            return wide, high
        with Image.open(regular(root / sample.path)) as image:
            return image.size
    except Exception:  # as in open_image, which says what is wrong; a header may be odd and the image sound
        return open_image(root, sample.model_copy(update={"tile": None})).size


def _same(path: Path, sample: Sample, found: str) -> None:
    if sample.tile is not None:
        found = crop_digest(found, sample.tile)
    if found != sample.digest:
        raise DataError(
            f"{path} ({sample.id}) changed since the dataset was prepared: "
            f"sha256 {found[:12]} found, {sample.digest[:12]} expected",
            fix="Prepare the dataset again (`harness data prepare`).",
        )


@lru_cache(maxsize=4)
def _array(path: Path) -> NDArray[np.uint8]:
    try:
        loaded: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read image array {path}: {error}", fix="Prepare the dataset again."
        ) from error
    return loaded


def to_pixels(image: Image.Image, wanted: ImageInput) -> NDArray[np.uint8]:
    """uint8 RGB ``[size, size, 3]``, values 0..255."""
    if wanted.rgb_first:
        image = _to_rgb(image)
    image = _fitted(image, wanted, Image.Resampling[wanted.interpolation.upper()])
    return _padded(np.asarray(_to_rgb(image), dtype=np.uint8), wanted)


def mask_pixels(mask: Image.Image, wanted: ImageInput) -> NDArray[np.bool_]:
    """A mask of mode ``L`` as its image is seen: resized with nearest neighbour, cropped or padded like it.

    bool ``[size, size]``; padding is not marked.
    """
    return _padded(np.asarray(_fitted(mask, wanted, Image.Resampling.NEAREST)), wanted) > 0


def _fitted(image: Image.Image, wanted: ImageInput, how: Image.Resampling) -> Image.Image:
    """Resized, and cut at the centre unless it is to be padded."""
    short = wanted.short or wanted.size
    size = _resized(image.size, short, wanted.resize)
    if size[0] * size[1] > LARGEST:
        raise ValueError(
            f"its {image.size[0]} x {image.size[1]} pixels would be resized to {size[0]} x {size[1]}"
        )
    if size != image.size:
        image = image.resize(size, how)
    if wanted.resize == "pad" or image.size == (wanted.size, wanted.size):
        return image
    return _centre(image, wanted.size)


def _resized(size: tuple[int, int], short: int, resize: Resize) -> tuple[int, int]:
    if resize == "squash":
        return short, short
    if resize == "crop":
        return _shortened(size, short)
    longest = max(size)
    return max(1, round(size[0] * short / longest)), max(1, round(size[1] * short / longest))


def _padded(pixels: NDArray[np.uint8], wanted: ImageInput) -> NDArray[np.uint8]:
    """In the middle of a black square; of an odd number of rows or columns, the larger half comes after."""
    if wanted.resize != "pad":
        return pixels
    square = np.zeros((wanted.size, wanted.size, *pixels.shape[2:]), np.uint8)
    high, wide = pixels.shape[:2]
    top, left = (wanted.size - high) // 2, (wanted.size - wide) // 2
    square[top : top + high, left : left + wide] = pixels
    return square


def _shortened(size: tuple[int, int], short: int) -> tuple[int, int]:
    """A size with its short side made ``short``, the long side truncated, exactly as torchvision does."""
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short


def _centre(image: Image.Image, size: int) -> Image.Image:
    """Cut the centre, offsets rounded half to even as torchvision does: scores of released checkpoints
    depend on it to the pixel."""
    wide, high = image.size
    left, top = round((wide - size) / 2.0), round((high - size) / 2.0)
    return image.crop((left, top, left + size, top + size))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow clips 16-bit grey to 255 on conversion; keep the picture by scaling to 8 bits.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")
