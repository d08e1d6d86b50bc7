"""Looking into raw folders: listing images, hashing them, and saying what was found where."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from gad.harness.errors import DataError
from gad.harness.manifest import sample_id

DESCRIPTION = "dataset.yaml"  # makes a folder one of labelled classes
MOST_FOLDERS = 10_000  # looked into at one depth
LITTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})  # what desktops leave, lower case; no images
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})


def is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def entries(folder: Path) -> list[Path]:
    """What a folder holds, without hidden things and what desktops leave, sorted by NFC name.

    Raises DataError when the folder cannot be listed, or holds a name that is not UTF-8 (it could be
    neither stored nor shown).
    """
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise DataError(
            f"cannot list {folder}: {error.strerror or error}", fix="Check the path and its permissions."
        ) from error
    kept = [name for name in names if not name.startswith(".") and name.lower() not in LITTER]
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


def locate(raw: Path, fits: Callable[[Path], bool], depth: int = 3) -> list[Path]:
    """Folders that fit, at the smallest depth where any does: ``raw`` itself, those in it, and so on.

    Downloads are nested differently from one mirror to the next. The depth is bounded, and so are loops
    of links.
    """
    level = [raw] if raw.is_dir() else []
    for _ in range(depth):
        if found := [place for place in level if fits(place)]:
            return found
        level = [inner for place in level for inner in folders(place)][:MOST_FOLDERS]
    return [place for place in level if fits(place)]


def text_of(path: Path) -> str:
    """A text file, with or without a byte order mark. DataError when it cannot be read, or is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read as UTF-8 text: {error}", fix=f"Restore {path.name} from the download."
        ) from error


def csv_rows(path: Path, separator: str = ",") -> list[list[str]]:
    """The rows of a CSV file, cells without the space around them. DataError when it cannot be read."""
    import csv

    try:
        reader = csv.reader(text_of(path).splitlines(), skipinitialspace=True, delimiter=separator)
        return [[cell.strip() for cell in row] for row in reader]
    except csv.Error as error:
        raise DataError(
            f"{path}: is not a CSV file: {error}", fix=f"Restore {path.name} from the download."
        ) from error


def refuse_missing(files: Iterable[Path], listed_in: Path) -> None:
    """DataError when files that a list names are not there: without them the split would be another one."""
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise DataError(
            f"{listed_in} lists images that are not there ({len(missing)}): {shortened(missing)}",
            fix="Unpack the download again: without them the split would be another one.",
        )


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image, from its header. DataError when it is none."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            size: tuple[int, int] = image.size
            return size
    except Exception as error:  # Pillow raises many kinds for damaged files: all mean "unreadable"
        raise DataError(
            f"cannot read image {path}: {type(error).__name__}: {error}",
            fix="Restore it from the download: without it the split would be another one.",
        ) from error
