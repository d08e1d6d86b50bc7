"""Reading one sample's image, and turning it into the pixels an adapter wants.

The order is that of CLIP's preprocessing: resize the image as it is stored (bicubic with Pillow's
antialiasing; palette images with nearest neighbour), crop, then convert to RGB. No EXIF rotation.
"""

from __future__ import annotations

import hashlib
import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gad.harness.errors import DataError
from gad.harness.nouns import ImageInput, Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray


def stored_digest(content: bytes, crop: tuple[int, int, int, int] | None) -> str:
    """Digest of an image held in a file of its own, or of a crop of it."""
    whole = hashlib.sha256(content).hexdigest()
    return whole if crop is None else hashlib.sha256(f"{whole}|{crop}".encode()).hexdigest()


def array_digest(image: NDArray[np.uint8]) -> str:
    """Digest of one image of an array file: its shape and bytes."""
    header = f"{image.dtype}{list(image.shape)}|".encode()
    return hashlib.sha256(header + np.ascontiguousarray(image).tobytes()).hexdigest()


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
        return image if sample.crop is None else image.crop(sample.crop)
    except DataError:
        raise
    except Exception as error:  # Pillow and NumPy raise many kinds for damaged files: all mean "unreadable"
        raise DataError(
            f"cannot read image {path} ({sample.id}): {type(error).__name__}: {error}",
            fix="Restore or remove the file.",
        ) from error


def _decoded(path: Path, sample: Sample) -> Image.Image:
    if sample.index is not None:
        array = _array(path)[sample.index]
        _same(path, sample, array_digest(array))
        return Image.fromarray(array)
    content = path.read_bytes()
    image: Image.Image = Image.open(io.BytesIO(content))
    image.load()
    _same(path, sample, stored_digest(content, sample.crop))
    return image


def _same(path: Path, sample: Sample, found: str) -> None:
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
    size = wanted.size
    if wanted.resize == "squash":
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    else:
        image = _centre_crop(image, size)
    return np.asarray(_to_rgb(image), dtype=np.uint8)


def _centre_crop(image: Image.Image, size: int) -> Image.Image:
    """Resize the short side to ``size`` and cut the centre, rounding exactly as torchvision does.

    The long side is truncated, the offsets are rounded half to even: scores of released checkpoints
    depend on it to the pixel.
    """
    width, height = image.size
    if width <= height:
        wide, high = size, int(size * height / width)
    else:
        wide, high = int(size * width / height), size
    if (wide, high) != image.size:
        image = image.resize((wide, high), Image.Resampling.BICUBIC)
    left, top = round((wide - size) / 2.0), round((high - size) / 2.0)
    return image.crop((left, top, left + size, top + size))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow clips 16-bit grey to 255 on conversion; keep the picture by scaling to 8 bits.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")
