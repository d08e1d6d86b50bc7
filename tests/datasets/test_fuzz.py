"""Broken raw trees and mangled lists: each ends in an error that says what to do, or in a problem that is told."""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import raws
from hypothesis import given, settings
from hypothesis import strategies as st

from gad.datasets.check import check
from gad.datasets.prepare import prepare, prepare_own
from gad.harness import manifest
from gad.harness.errors import DataError
from gad.harness.images import mask_paths
from gad.harness.manifest import Prepared


def good_bad(root: Path) -> Path:
    for number in range(9):
        raws.picture(root / ("bad" if number > 5 else "good") / f"{number}.png", raws.noise(number, 4, 4))
    return root


def listed(root: Path) -> Path:
    good_bad(root)
    lines = [f"{'bad' if n > 5 else 'good'}/{n}.png,{'bad' if n > 5 else 'good'},nut" for n in range(9)]
    (root / "list.csv").write_text("\n".join(["path,label,category", *lines, ""]))
    return root


OWN: dict[str, Callable[[Path], Path]] = {
    "two folders": good_bad,
    "list": listed,
    "layout": lambda root: raws.mvtec(root, "nut", "bolt"),
}


def attempt(name: str, raw: Path, data: Path) -> Prepared | DataError:
    try:
        return prepare_own("own", raw, data) if name in OWN else prepare(name, raw, data)
    except DataError as error:
        return error


def made(name: str, place: Path) -> Path:
    return (OWN[name] if name in OWN else raws.TREES[name])(place / "raw")


@pytest.mark.parametrize("name", [*raws.TREES, *OWN])
@settings(max_examples=6)
@given(data=st.data())
def test_damaged_files_end_in_errors_or_told_problems(name: str, data: st.DataObject) -> None:
    """A file that is still of the dataset, but can no longer be read, is named by a full check."""
    with tempfile.TemporaryDirectory() as place:
        raw = made(name, Path(place))
        files = sorted(p for p in raw.rglob("*") if p.is_file())
        chosen = data.draw(st.lists(st.sampled_from(range(len(files))), min_size=1, max_size=4, unique=True))
        broken = []
        for index in chosen:
            how = data.draw(
                st.sampled_from(["empty", "cut", "noise", "huge", "suffix", "gone", "folder", "extra"])
            )
            damage(files[index], how)
            if how in ("empty", "cut", "noise", "huge"):
                broken.append(files[index].resolve())
        found = attempt(name, raw, Path(place) / "data")
        if isinstance(found, DataError):
            assert found.fix
            assert not (Path(place) / "data" / (name if name in raws.TREES else "own")).exists()
            return
        problems = check(found, Path(place) / "data", full=True)
        samples = manifest.read_samples(found)
        used = {found.root_path / path for s in samples for path in (s.path, *mask_paths(s.mask))}
        for file in broken:
            if file in used:
                assert any(file.name in problem for problem in problems), problems


def damage(file: Path, how: str) -> None:
    content = file.read_bytes()
    if how == "extra":
        file.with_name(f"extra{file.suffix}").write_bytes(content)
        return
    file.unlink()
    if how == "suffix":
        file.with_suffix(file.suffix.upper()).write_bytes(content)
    elif how == "folder":
        file.mkdir()
    elif how != "gone":
        changed = {"empty": b"", "cut": content[: len(content) // 2], "noise": os.urandom(len(content))}
        file.write_bytes(huge() if how == "huge" else changed[how])


def huge() -> bytes:
    """The start of a PNG of 30,000 pixels a side."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


LISTS = {"visa": "split_csv/1cls.csv", "elpv": "labels.csv", "headct": "labels.csv", "list": "list.csv"}
CELLS = [
    "",
    " ",
    "x",
    "0",
    "1.5",
    "-1",
    "../up.png",
    "/etc/passwd",
    "\0",
    "good",
    "train",
    '"',
    "é",
    "9" * 30,
]


@pytest.mark.parametrize("name", LISTS)
@settings(max_examples=20)
@given(data=st.data())
def test_mangled_lists_end_in_errors_or_datasets(name: str, data: st.DataObject) -> None:
    """Lines and columns moved, doubled and lost, cells replaced, other ends of lines, marks and encodings."""
    with tempfile.TemporaryDirectory() as place:
        raw = made(name, Path(place))
        separator = None if name == "elpv" else ","
        rows = [line.split(separator) for line in (raw / LISTS[name]).read_text().splitlines()]
        for _ in range(data.draw(st.integers(1, 3))):
            mangle(rows, data)
        text = data.draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"])).join(
            (separator or " ").join(row) for row in rows
        )
        start, encoding = (
            data.draw(st.sampled_from(["", "\ufeff"])),
            data.draw(st.sampled_from(["utf-8", "utf-16"])),
        )
        (raw / LISTS[name]).write_bytes((start + text).encode(encoding))
        found = attempt(name, raw, Path(place) / "data")
        if isinstance(found, DataError):
            assert found.fix
        else:
            root = raw.resolve()
            assert all(
                (found.root_path / s.path).resolve().is_relative_to(root)
                for s in manifest.read_samples(found)
            )


def mangle(rows: list[list[str]], data: st.DataObject) -> None:
    if not rows:
        return
    row = data.draw(st.integers(0, len(rows) - 1))
    how = data.draw(st.sampled_from(["lose", "double", "move", "cell", "more", "less", "columns"]))
    if how == "lose":
        del rows[row]
    elif how == "double":
        rows.insert(row, list(rows[row]))
    elif how == "move":
        rows.append(rows.pop(row))
    elif how == "cell" and rows[row]:
        rows[row][data.draw(st.integers(0, len(rows[row]) - 1))] = data.draw(st.sampled_from(CELLS))
    elif how == "more":
        rows[row].append(data.draw(st.sampled_from(CELLS)))
    elif how == "less" and rows[row]:
        rows[row].pop()
    elif how == "columns":
        for each in rows:
            each.reverse()
