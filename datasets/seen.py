"""Telling at a glance that a dataset was prepared from this raw tree as it is now, by this code.

    DATA/<name>/seen.json   digests of the listings (names, sizes and times of files) of the raw tree and of
                            what was prepared from it

Preparing reads every file; looking at a listing takes a moment. Bytes that changed while a file's size and
time did not are found by ``harness data check --full``.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from gad.harness import atomic, manifest
from gad.harness.ids import source_digest

NAME = "seen.json"
MOST_FILES = 300_000  # of a larger tree no listing is kept: it is more than the dataset


def code() -> str:
    """Digest of the code that prepares: this folder, and what it builds on."""
    here = Path(__file__).parent
    beside = Path(str(manifest.__file__)).parent
    below = [*beside.glob("manifest*.py"), beside / "images.py", *(beside / "nouns").glob("*.py")]
    return source_digest(here.glob("*.py"), here) + source_digest(below, beside)


def listing(place: Path) -> str:
    """Digest of names, sizes and times of all files in a tree, or "" when it cannot be listed or is too large.

    Links are followed, each folder is entered once. A file (an archive) is a tree of one file.
    """
    rows: list[tuple[str, int, int]] = []
    entered: set[tuple[int, int]] = set()
    waiting = [place] if place.is_dir() else []
    try:
        if not waiting:
            rows.append(("", place.stat().st_size, place.stat().st_mtime_ns))
        while waiting:
            folder = waiting.pop()
            stat = folder.stat()
            if (stat.st_dev, stat.st_ino) in entered:
                continue
            entered.add((stat.st_dev, stat.st_ino))
            for entry in os.scandir(folder):
                if entry.is_dir():
                    waiting.append(Path(entry.path))
                elif entry.name != NAME and entry.is_file():
                    status = entry.stat()
                    rows.append((os.path.relpath(entry.path, place), status.st_size, status.st_mtime_ns))
            if len(rows) > MOST_FILES:
                return ""
    except OSError:
        return ""
    return hashlib.sha256(repr(sorted(rows)).encode("utf-8", "surrogateescape")).hexdigest()


def note(folder: Path, raw: Path, raw_listing: str, elsewhere: Path | None = None) -> None:
    """Remember what ``folder`` was prepared from. ``raw_listing`` was made before anything was read.

    ``elsewhere`` is where the images are if neither in ``raw`` nor in ``folder``: what archives unpacked to.
    """
    if raw_listing and (own := listing(folder)):
        place = str(elsewhere or "")
        unpacked = listing(elsewhere) if elsewhere else ""
        content = {"raw": str(raw.resolve()), "listing": raw_listing, "prepared": own, "code": code()}
        content |= {"elsewhere": place, "unpacked": unpacked}
        atomic.write_bytes(folder / NAME, json.dumps(content, indent=1).encode())


def unchanged(folder: Path, raw: Path, raw_listing: str) -> bool:
    """Whether ``folder`` is as it was when it was prepared, from ``raw`` as it is now, by the code of today."""
    try:
        content = json.loads((folder / NAME).read_bytes())
        elsewhere = str(content["elsewhere"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    found = {"raw": str(raw.resolve()), "listing": raw_listing, "prepared": listing(folder), "code": code()}
    found |= {"elsewhere": elsewhere, "unpacked": listing(Path(elsewhere)) if elsewhere else ""}
    return bool(raw_listing) and content == found
