"""The thorough half of a data check: reads and decodes every file of a manifest."""

from __future__ import annotations

import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gad.datasets import check_masks
from gad.datasets.check_duplicates import look_alikes
from gad.datasets.progress import track
from gad.harness import images
from gad.harness.nouns import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image


def changed(root: Path, samples: Iterable[Sample]) -> list[str]:
    """Paths of images and masks that are gone, unreadable, or not the bytes of the manifest."""
    bad: list[str] = []
    for path, group in _by_path(samples).items():
        try:
            if not _digests_agree(root / path, group):
                bad.append(path)
        except (OSError, ValueError, IndexError):
            bad.append(path)
    for mask, digest in {s.mask: s.mask_digest for s in samples if s.mask}.items():
        if _mask_digest(root, mask) != digest:
            bad.append(mask)
    return bad


def file_problems(root: Path, samples: list[Sample], again: str) -> list[str]:
    """Problems of every file that is there and not empty: changed, cannot be decoded, mask does not fit.

    Also images that look alike once they are decoded. Files are read and decoded on all cores.
    """
    present = [s for s in samples if _has_content(root / s.path)]
    by_path = _by_path(present)
    masked = [s for s in samples if s.mask and all(_has_content(root / m) for m in images.mask_paths(s.mask))]

    def size_of(sample: Sample) -> Callable[[], tuple[int, int] | None]:
        return lambda: seen[sample.path].size if sample.path in seen else None

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        looked = threads.map(lambda group: _look(root, group, again), by_path.values())
        seen = dict(zip(by_path, track(looked, "reading images", len(by_path)), strict=True))
        fitting = threads.map(lambda s: check_masks.fit(root, s, size_of(s), again), masked)
        fits = list(track(fitting, "reading masks", len(masked)))
    problems = [text for found in seen.values() for text in found.problems]
    problems += dict.fromkeys(text for text, _ in fits if text)
    problems += check_masks.cut(masked, [lost for _, lost in fits])
    return problems + look_alikes(samples, {d: p for found in seen.values() for d, p in found.pixels.items()})


@dataclass
class _Looked:
    """What came of reading one file: its size (None: unreadable), and digests of decoded pixels by image digest."""

    problems: list[str] = field(default_factory=list)
    size: tuple[int, int] | None = None
    pixels: dict[str, str] = field(default_factory=dict)


def _look(root: Path, group: list[Sample], again: str) -> _Looked:
    found, file = _Looked(), root / group[0].path
    try:
        if not _digests_agree(file, group):
            found.problems.append(
                f"error: image {file} changed since it was prepared: restore it, or {again}"
            )
        if group[0].index is None:
            image = _decode(file)
            found.size = image.size
            if image.mode in ("I", "F"):
                found.problems.append(
                    f"error: image {file} has 32 bits a pixel, whose range is not known: convert it to 8 or 16 bits, "
                    f"then {again}"
                )
            for sample in {s.digest: s for s in group}.values():
                part = image if sample.crop is None else image.crop(sample.crop)
                found.pixels[sample.digest] = _pixel_digest(part)
    except Exception as error:  # Pillow raises many kinds for damaged files: all mean "unreadable"
        found.problems.append(
            f"error: image {file} cannot be read ({type(error).__name__}: {error}): "
            f"restore it from the download, then {again}"
        )
    return found


def _pixel_digest(image: Image.Image) -> str:
    """The same for images that look the same, whatever file format, palette or number of channels they have."""
    if image.mode not in ("I;16", "I;16B", "I;16L", "I", "F"):
        image = image.convert("RGB")
    return hashlib.sha256(f"{image.mode}{image.size}".encode() + image.tobytes()).hexdigest()


def _by_path(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.path].append(sample)
    return groups


def _mask_digest(root: Path, mask: str) -> str:
    try:
        return images.mask_digest((root / path).read_bytes() for path in images.mask_paths(mask))
    except OSError:
        return ""


def _has_content(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _digests_agree(file: Path, group: list[Sample]) -> bool:
    """Whether one file still holds the images that the manifest says. OSError, ValueError if unreadable."""
    if group[0].index is not None:
        stored = _read_array(file)
        wanted = {
            (s.index, s.digest) for s in group
        }  # each once: categories of one-vs-all share their images
        return all(images.array_digest(stored[index]) == digest for index, digest in wanted)
    content = file.read_bytes()
    return all(images.stored_digest(content, s.crop) == s.digest for s in group)


def _read_array(file: Path) -> NDArray[np.uint8]:
    import numpy as np

    # Not memory-mapped: reading a mapped file that somebody cuts short would kill the process.
    array: NDArray[np.uint8] = np.load(file, allow_pickle=False)
    return array


def _decode(file: Path) -> Image.Image:
    from PIL import Image

    image = Image.open(io.BytesIO(file.read_bytes()))
    image.load()
    return image
