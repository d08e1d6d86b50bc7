"""The thorough half of a data check: reads and decodes every file of a manifest."""

from __future__ import annotations

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
    for mask, digest in {s.mask: s.mask_digest for s in samples if s.mask}.items():
        if _mask_digest(root, mask) != digest:
            bad.append(mask)
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
    masked = [s for s in present if s.mask and all(_has_content(root / m) for m in _files(s))]
    return problems + [problem for s in masked for problem in _mask_problems(root, s, again)]


def _by_path(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.path].append(sample)
    return groups


def _files(sample: Sample) -> list[str]:
    return images.mask_paths(sample.mask)


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
    named = ", ".join(str(root / path) for path in _files(sample))
    whole = sample.model_copy(update={"crop": None})
    try:
        size = images.open_mask(root, whole).size
        wanted = _decode(root / sample.path).size if sample.index is None else size
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        return [f"error: mask {named} cannot be read ({reason}): restore it, then {again}"]
    if _mask_digest(root, sample.mask) != sample.mask_digest:
        return [f"error: mask {named} changed since it was prepared: restore it, or {again}"]
    if size != wanted:
        return [f"error: mask {named} is {size} pixels, its image {wanted}: restore both, then {again}"]
    mask = images.open_mask(root, sample)
    if mask.getbbox() is None:
        return [f"warning: mask {named} marks nothing; compare it with the download"]
    side = min(mask.size)
    left, top = (mask.size[0] - side) // 2, (mask.size[1] - side) // 2
    if mask.crop((left, top, left + side, top + side)).getbbox() is None:
        return [
            f"warning: mask {named} lies outside the central square, which is all that `resize: crop` keeps"
        ]
    return []
