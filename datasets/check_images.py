"""The thorough half of a data check: reads and decodes every file of a manifest."""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

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
    for path, digest in _masks(samples).items():
        try:
            if hashlib.sha256((root / path).read_bytes()).hexdigest() != digest:
                bad.append(path)
        except OSError:
            bad.append(path)
    return bad


def file_problems(root: Path, samples: list[Sample], again: str) -> list[str]:
    """Problems of every file that is there and not empty: changed, cannot be decoded, mask does not fit."""
    present = [s for s in samples if _has_content(root / s.path)]
    problems = []
    for path, group in _by_path(present).items():
        try:
            if not _digests_agree(root / path, group):
                problems.append(
                    f"error: image {root / path} changed since it was prepared: restore it, or {again}"
                )
            if group[0].index is None:
                _decode(root / path)
        except Exception as error:  # Pillow raises many kinds for damaged files: all mean "unreadable"
            problems.append(
                f"error: image {root / path} cannot be read ({type(error).__name__}: {error}): "
                f"restore it from the download, then {again}"
            )
    masked = [s for s in present if s.mask and _has_content(root / s.mask)]
    return problems + [problem for s in masked for problem in _mask_problems(root, s, again)]


def _by_path(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.path].append(sample)
    return groups


def _masks(samples: Iterable[Sample]) -> dict[str, str]:
    return {s.mask: s.mask_digest for s in samples if s.mask}


def _has_content(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _digests_agree(file: Path, group: list[Sample]) -> bool:
    """Whether one file still holds the images that the manifest says. OSError, ValueError if unreadable."""
    if group[0].index is not None:
        stored = _read_array(file)
        return all(images.array_digest(stored[s.index]) == s.digest for s in group)
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


def _mask_problems(root: Path, sample: Sample, again: str) -> list[str]:
    file = root / sample.mask
    try:
        mask = _decode(file).convert("L")
        size = _decode(root / sample.path).size if sample.index is None and sample.crop is None else mask.size
    except Exception as error:
        return [
            f"error: mask {file} cannot be read ({type(error).__name__}: {error}): restore it, then {again}"
        ]
    if hashlib.sha256(file.read_bytes()).hexdigest() != sample.mask_digest:
        return [f"error: mask {file} changed since it was prepared: restore it, or {again}"]
    if mask.size != size:
        return [f"error: mask {file} is {mask.size} pixels, its image {size}: restore both, then {again}"]
    if mask.getbbox() is None:
        return [f"warning: mask {file} marks nothing; compare it with the download"]
    side = min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    if mask.crop((left, top, left + side, top + side)).getbbox() is None:
        return [
            f"warning: mask {file} lies outside the central square, which is all that `resize: crop` keeps"
        ]
    return []
