"""Preparing: again changes nothing, a killed one is never seen, the order of files does not matter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gad.datasets import check
from gad.datasets.prepare import STAMP, ensure_bundled, prepare
from gad.harness import manifest
from gad.harness.errors import DataError

NAMES = (
    "nut/train/good/0.png",
    "nut/train/good/10.png",
    "nut/train/good/9.png",
    "nut/test/good/0.png",
    "nut/test/Dent/0.jpg",
    "nut/ground_truth/Dent/0_mask.png",
    "bolt/train/good/ä.png",
    "bolt/test/dent/a.bmp",
    "bolt/test/dent/B.bmp",
)


def grow(root: Path, names: tuple[str, ...] | list[str] = NAMES) -> Path:
    """Files whose content is their name: preparing reads bytes, not pixels."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(p.relative_to(folder)): (p.stat().st_ino, p.stat().st_mtime_ns, p.read_bytes())
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(NAMES))
def test_order_of_creation_does_not_matter(order: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        prepared = prepare(str(grow(Path(place) / "parts", order)), None, Path(place) / "data")
        assert prepared.fingerprint == "188c63cd5e36fd61a445be03feaa4e6841471776dbd064494b99781eace4f170"


@pytest.mark.parametrize("name", ["parts", "digits-multi-class"])
def test_again_changes_nothing(tmp_path: Path, name: str) -> None:
    named = str(grow(tmp_path / "parts")) if name == "parts" else name
    first = prepare(named, None, tmp_path / "data")
    before = state(tmp_path / "data" / name)
    assert prepare(named, None, tmp_path / "data") == first
    assert state(tmp_path / "data" / name) == before
    assert sorted(os.listdir(tmp_path / "data")) == [f".{name}.lock", name]


def test_what_changed_is_prepared_anew(tmp_path: Path) -> None:
    root = grow(tmp_path / "parts")
    first = prepare(str(root), None, tmp_path / "data")
    (root / "nut/test/good/0.png").write_bytes(b"other")
    second = prepare(str(root), None, tmp_path / "data")
    assert second.fingerprint != first.fingerprint
    assert manifest.load(tmp_path / "data", "parts") == second


def test_moved_folder_and_namesake(tmp_path: Path) -> None:
    first = prepare(str(grow(tmp_path / "a/parts")), None, tmp_path / "data")
    (tmp_path / "a").rename(tmp_path / "b")
    moved = prepare(str(tmp_path / "b/parts"), None, tmp_path / "data")
    assert (moved.fingerprint, moved.warnings) == (first.fingerprint, ())
    assert moved.root == str((tmp_path / "b/parts").resolve())
    namesake = prepare(str(grow(tmp_path / "c/parts", NAMES[:4])), None, tmp_path / "data")
    assert f"from {moved.root}, were replaced" in namesake.warnings[0]


def test_a_prepared_folder_may_be_named_without_its_path(tmp_path: Path) -> None:
    first = prepare(str(grow(tmp_path / "parts")), None, tmp_path / "data")
    assert prepare("parts", None, tmp_path / "data") == first
    assert prepare("parts", tmp_path / "parts", tmp_path / "data") == first


@pytest.mark.parametrize("victim", ["digits.npy", manifest.MANIFEST, manifest.SUMMARY, STAMP])
@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_damaged_bundled_data_is_made_again(tmp_path: Path, victim: str, damage: str) -> None:
    first = ensure_bundled("digits-multi-class", tmp_path)
    file = tmp_path / "digits-multi-class" / victim
    whole = file.read_bytes()
    file.unlink() if damage == "gone" else file.write_bytes(whole[: len(whole) // 2])
    assert ensure_bundled("digits-multi-class", tmp_path) == first
    assert check.check(first, tmp_path, full=True) == []
    assert file.read_bytes() == whole or victim == manifest.MANIFEST


def test_a_changed_bundled_image_is_drawn_again(tmp_path: Path, bundled: Path) -> None:
    """One bit of one image: the file has its old size."""
    ensure_bundled("digits-one-vs-all", tmp_path)
    file = tmp_path / "digits-one-vs-all/digits.npy"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    again = ensure_bundled("digits-one-vs-all", tmp_path)
    assert check.check(again, tmp_path, full=True) == []


def test_killed_while_preparing_is_never_seen(tmp_path: Path) -> None:
    data = tmp_path / "data"
    code = (
        "import sys; from pathlib import Path; from gad.datasets.prepare import prepare; "
        "prepare('textures', None, Path(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(data)])
    try:
        deadline = time.monotonic() + 60
        while len(list(data.glob(".tmp-textures-*/*/train/good/*.bmp"))) < 5:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not manifest.exists(data, "textures")
    with pytest.raises(DataError, match="not prepared"):
        manifest.load(data, "textures")
    leftover = list(data.glob(".tmp-textures-*"))
    stranger = data / f".tmp-textures-auxiliary-{os.getpid()}-01234567"
    stranger.mkdir()  # another dataset's, perhaps at work
    ensure_bundled("textures", data)
    assert len(leftover) == 1
    assert not leftover[0].exists()
    assert stranger.exists()


def test_two_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gad.datasets.prepare import ensure_bundled; "
        "print(ensure_bundled('digits-one-vs-all', Path(sys.argv[1])).fingerprint)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    fingerprints = {process.communicate(timeout=120)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(fingerprints) == 1
    assert [entry for entry in os.listdir(tmp_path) if entry.startswith(".tmp-")] == []


def test_a_failed_builder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        prepare("headct", tmp_path, tmp_path / "data")
    assert os.listdir(tmp_path / "data") == [".headct.lock"]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Did you mean 'headct'"):
        prepare("headtc", tmp_path, tmp_path / "data")
    with pytest.raises(DataError, match="bundled and has no raw folder"):
        prepare("textures", tmp_path, tmp_path / "data")
    with pytest.raises(DataError, match="not bundled"):
        ensure_bundled("headct", tmp_path / "data")


def test_a_data_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        DataError, match=r"data folder .*/file/data cannot be used: .*/file: File exists\nName one"
    ):
        prepare("textures", None, tmp_path / "file" / "data")
    monkeypatch.setattr(os, "access", lambda *_: False)  # who runs the tests may write everywhere
    with pytest.raises(
        DataError, match=r"data is read-only\nName one to prepare datasets in with --data DIR"
    ):
        prepare("textures", None, tmp_path / "data")
