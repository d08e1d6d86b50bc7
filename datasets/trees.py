"""Looking into raw folders: listing images, hashing them, and saying what was found where."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gad.harness.errors import DataError
from gad.harness.manifest import sample_id

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})


def is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def entries(folder: Path) -> list[Path]:
    """What a folder holds, without hidden things and ``__MACOSX``, sorted by NFC name.

    Raises DataError when the folder cannot be listed, or holds a name that is not UTF-8 (it could be
    neither stored nor shown).
    """
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise DataError(
            f"cannot list {folder}: {error.strerror or error}", fix="Check the path and its permissions."
        ) from error
    kept = [name for name in names if not name.startswith(".") and name != "__MACOSX"]
    for name in kept:
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise DataError(
                f"{name!a} in {str(folder)!a} is not a valid UTF-8 file name",
                fix="Rename the file.",
            )
    return [folder / name for name in sorted(kept, key=sample_id)]


def folders(folder: Path) -> list[Path]:
    return [entry for entry in entries(folder) if entry.is_dir()]


def images(folder: Path, warnings: list[str]) -> list[Path]:
    """Image files directly in ``folder``, sorted. What else lies there is named in ``warnings``."""
    found: list[Path] = []
    ignored: list[str] = []
    for entry in entries(folder):
        if is_image(entry) and entry.is_file():
            found.append(entry)
        else:
            ignored.append(entry.name + ("/" if entry.is_dir() else ""))
    if ignored:
        warnings.append(f"{folder}: ignored, as it is no image: {shortened(ignored)}")
    return found


def shortened(names: Iterable[str], most: int = 5) -> str:
    """``a, b, c, d, e and 7 more``."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def found_in(folder: Path) -> str:
    """What a folder holds, for an error message."""
    if not folder.exists():
        return "no such folder"
    if not folder.is_dir():
        return "a file, not a folder"
    held = [entry.name + ("/" if entry.is_dir() else "") for entry in entries(folder)]
    return f"it holds {shortened(held, 8)}" if held else "it is empty"


def relative(path: Path, root: Path) -> str:
    """``path`` as the file system spells it, relative to ``root``, with forward slashes."""
    return path.relative_to(root).as_posix()


def zero_byte_warnings(paths: Iterable[Path]) -> list[str]:
    return [
        f"{path} is empty (0 bytes) and cannot be read as an image; restore it from the original download"
        for path in paths
        if path.stat().st_size == 0
    ]


def resembles(raw: Path) -> str:
    """Name of the medical dataset that ``raw`` looks like, ``"a folder in MVTec layout"``, or ``""``."""
    if not raw.is_dir():
        return ""
    names = {entry.name for entry in entries(raw)}
    inner = {entry.name for sub in folders(raw) for entry in folders(sub)}
    if "labels.csv" in names and "head_ct" in names:
        return "headct"
    if {"no", "yes"} <= names or {"no", "yes"} <= inner:
        return "brainmri"
    if {"train", "test"} <= names or {"train", "test"} <= inner:
        return "a folder in MVTec layout"
    return ""
