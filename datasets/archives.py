"""Downloads that nobody has unpacked: zip and tar files.

    DATA/.unpacked/<name>-<digits>/    what was in one archive, or in all archives of a folder

The digits are of the archives' names, sizes and times, so that the same archives are unpacked once, whatever
is prepared from them. The folder gets its name when everything is in it. Nothing is ever written outside of
it: an archive with a name that leads elsewhere is refused whole, and links are not made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from gad.datasets import trees
from gad.datasets.looks import is_archive
from gad.datasets.progress import track
from gad.harness import atomic
from gad.harness.errors import DataError

AREA = ".unpacked"
FOREIGN = (".7z", ".rar")  # archives that Python cannot read
MOST_FILES = 2_000_000
BOMB_BYTES, BOMB_RATIO = 2_000_000_000, 200  # more than both is no set of images
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Member:
    """A file in an archive: where it goes, and what opens it (``None`` for a link that leads nowhere)."""

    name: str
    size: int
    handle: Any


def found(raw: Path) -> list[Path]:
    """Archives that ``raw`` is, or holds, or that a folder in it holds."""
    if is_archive(raw):
        return [raw]
    for place in [raw, *trees.folders(raw)] if raw.is_dir() else []:
        if packed := [entry for entry in trees.entries(place) if is_archive(entry)]:
            return packed
    return []


def unpack(packed: Sequence[Path], data: Path) -> Path:
    """The folder with what is in the archives; they are unpacked into ``data`` unless they are already.

    It stays there: the images are read from it, for as long as a dataset is used, and by every dataset that
    is prepared from it.

    Several are put side by side, each in a folder of its name unless it brings one; so are the loose files
    beside them (lists of labels). Raises DataError for an archive that is damaged, or not to be trusted.
    """
    if foreign := [path for path in packed if path.name.lower().endswith(FOREIGN)]:
        raise DataError(
            f"{trees.shortened(map(str, foreign))} is not unpacked, and only zip and tar files can be read here",
            fix="Unpack it (for example with 7z x), and give the folder that it unpacks to.",
        )
    area, loose = data / AREA, _loose(packed)
    place = area / _name(packed)
    with atomic.folder_lock(area / ".lock"):
        for left in area.glob(f"{atomic.TEMPORARY}*"):
            shutil.rmtree(left, ignore_errors=True)
        if not place.is_dir():
            staging = atomic.temporary_name(place)
            staging.mkdir()
            try:
                for path in packed:
                    _unpack_one(path, staging, alone=len(packed) + len(loose) == 1)
                for file in loose:
                    shutil.copyfile(file, staging / file.name)
                os.sync()  # a power cut must not leave half-written files under the final name
                atomic.rename_durably(staging, place)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    return place


def _loose(packed: Sequence[Path]) -> list[Path]:
    """Small files beside the archives that may say something about what is in them."""
    beside = trees.entries(packed[0].parent) if len(packed) > 1 else []
    if len(packed) == 1:
        beside = [entry for entry in trees.entries(packed[0].parent) if entry.suffix.lower() == ".csv"]
    return [entry for entry in beside if entry.is_file() and entry not in packed and not is_archive(entry)]


def _name(packed: Sequence[Path]) -> str:
    seen = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in [*packed, *_loose(packed)]]
    digits = hashlib.sha256(repr(sorted(seen)).encode("utf-8", "surrogateescape")).hexdigest()[:10]
    return f"{_stem(packed[0] if len(packed) == 1 else packed[0].resolve().parent)}-{digits}"


def _stem(path: Path) -> str:
    stem = path.name
    for suffix in (".gz", ".bz2", ".xz", ".tar", ".zip", ".tgz", ".tbz2", ".txz"):
        stem = stem[: -len(suffix)] if stem.lower().endswith(suffix) else stem
    return stem.lstrip(".") or "archive"


def _unpack_one(path: Path, place: Path, *, alone: bool) -> None:
    try:
        with _opened(path) as members:
            listed = list(track(_wanted(path, members, place), f"looking into {path.name}"))
            tops = {PurePosixPath(member.name).parts[0] for member in listed if "/" in member.name}
            single = len(tops) == 1 and all("/" in member.name for member in listed)
            inside = place if alone or single else place / _stem(path)
            for member in track(listed, f"unpacking {path.name}"):
                target = inside / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with member.handle() as source, open(target, "wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                if target.stat().st_size != member.size:
                    raise _damaged(path, f"{member.name} ends early")
    except DataError:
        raise
    except DAMAGE as error:
        told = " ".join(str(error).split()) or type(error).__name__
        never = "could not be opened" in told  # followed by how it is no tar file of each kind
        raise _damaged(path, "it is no whole zip or tar file" if never else told) from error


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[Member]]:
    """The members of an archive, known by its content: suffixes are often wrong."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            files = (info for info in packed.infolist() if not info.is_dir())
            yield (Member(i.filename, i.file_size, lambda i=i: packed.open(i)) for i in files)
    else:
        with tarfile.open(path, "r:*") as tape:
            yield (_of_tape(tape, info) for info in tape if not info.isdir())


def _of_tape(tape: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    """A link is the file in the archive that it means; devices and such are nothing."""
    target = info
    if info.islnk() or info.issym():
        try:
            target = tape._find_link_target(info)  # type: ignore[attr-defined]  # what extractfile itself asks
        except KeyError:
            return Member(info.name, 0, None)

    def handle() -> IO[bytes]:
        opened = tape.extractfile(target)
        if opened is None:
            raise tarfile.TarError(f"{info.name} is no file")
        return opened

    return Member(info.name, target.size, handle if target.isfile() else None)


def _wanted(path: Path, members: Iterator[Member], place: Path) -> Iterator[Member]:
    """The members that are unpacked. DataError for those that must not be, and for too many or too much."""
    free, packed = shutil.disk_usage(place).free, path.stat().st_size
    total = 0
    for number, member in enumerate(members):
        name = member.name.replace("\\", "/").removeprefix("./")
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or (parts and ":" in parts[0]):
            raise DataError(
                f"{path} holds a file named {member.name!r}, which would be written outside of its folder",
                fix="Do not unpack it with anything else either. Get it from the publisher.",
            )
        if not parts or member.handle is None or any(p.startswith(".") or p == "__MACOSX" for p in parts):
            continue
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise DataError(
                f"{path}: {name!a} is not a valid UTF-8 file name", fix="Unpack it, and rename the file."
            )
        total += member.size
        if number >= MOST_FILES or total > max(BOMB_BYTES, BOMB_RATIO * packed):
            raise DataError(
                f"{path} has {packed:,} bytes and would unpack to more than {total:,} bytes",
                fix="That is no set of images. Get it from the publisher.",
            )
        if total > free:
            raise DataError(
                f"{path} unpacks to more than the {free / 1e9:.1f} GB that are free beside {place.parent}",
                fix="Free some space, or unpack it elsewhere and give the folder that it unpacks to.",
            )
        yield Member("/".join(parts), member.size, member.handle)


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{path} cannot be unpacked: {reason}", fix="It may be incomplete: download it again.")
