"""Downloads that were not unpacked: read as if they were, and never trusted."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import raws
from raws import taped, zipped

from gad.datasets import archives, leftovers
from gad.datasets.prepare import prepare
from gad.harness import atomic, manifest
from gad.harness.errors import DataError
from gad.harness.images import open_image

MADE: dict[str, tuple[Callable[[Path], Path], Callable[[Path, Path], Path], str]] = {
    "mvtec": (lambda t: raws.mvtec(t, "wood", "tile"), lambda t, p: taped(t, p, "w:xz"), "mvtec.tar.xz"),
    "visa": (lambda t: raws.visa(t, "candle"), taped, "VisA_20220922.tar"),
    "aitex": (raws.aitex, zipped, "archive.zip"),
    "sdd": (lambda t: raws.sdd(t / "KolektorSDD").parent, zipped, "KolektorSDD.ZIP"),
    "mnist-multi-class": (raws.mnist, zipped, "mnist.zip"),
    "cifar10-one-vs-all": (
        lambda t: raws.cifar(t / "cifar-10-batches-py").parent,
        lambda t, p: taped(t, p, "w:gz"),
        "cifar-10-python.tar.gz",
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_an_archive_gives_what_its_folder_gives(tmp_path: Path, name: str) -> None:
    make, pack, file = MADE[name]
    tree = make(tmp_path / "tree")
    (tmp_path / "download").mkdir()
    packed = pack(tree, tmp_path / "download" / file)
    wanted = prepare(name, tree, tmp_path / "unpacked")
    for raw in (packed, packed.parent):
        found = prepare(name, raw, tmp_path / "data")
        assert found.fingerprint == wanted.fingerprint
    for sample in manifest.read_samples(found)[:3]:
        open_image(found.root_path, sample)
    assert len([p for p in (tmp_path / "data" / archives.AREA).iterdir() if p.is_dir()]) == 1


def test_again_reads_nothing_until_something_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = zipped(raws.sdd(tmp_path / "tree"), tmp_path / "sdd.zip")
    first = prepare("sdd", packed, tmp_path / "data")
    with monkeypatch.context() as patched:
        patched.setattr("gad.datasets.building.build", None)
        assert prepare("sdd", packed, tmp_path / "data") == first
    shutil.rmtree(tmp_path / "data" / archives.AREA)
    assert prepare("sdd", packed, tmp_path / "data") == first
    assert all((first.root_path / s.path).is_file() for s in manifest.read_samples(first))


def test_archives_side_by_side_are_one_download(tmp_path: Path) -> None:
    """One for each part without a folder in it, one that brings its folder, and a list that lies beside them."""
    tree = raws.aitex(tmp_path / "tree")
    (tmp_path / "parts").mkdir()
    for part in ("Defect_images", "Mask_images"):
        zipped(tree / part, tmp_path / "parts" / f"{part}.zip")
    shutil.copytree(tree / "NODefect_images", tmp_path / "one/NODefect_images")
    zipped(tmp_path / "one", tmp_path / "parts/normal.zip")
    found = prepare("aitex", tmp_path / "parts", tmp_path / "data")
    assert found.fingerprint == prepare("aitex", tree, tmp_path / "data2").fingerprint

    (tmp_path / "head").mkdir()
    for number in range(8):
        raws.picture(tmp_path / "slices" / f"{number:03d}.png", raws.noise(number, 4, 4))
    zipped(tmp_path / "slices", tmp_path / "head/head_ct.zip")
    (tmp_path / "head/labels.csv").write_text(
        "id, hemorrhage\n" + "".join(f"{n},{n % 2}\n" for n in range(8))
    )
    (only,) = prepare("headct", tmp_path / "head", tmp_path / "data").categories
    assert (only.train_normal, only.test_normal, only.test_anomalous) == (3, 1, 4)


def test_an_archive_in_an_archive(tmp_path: Path) -> None:
    zipped(raws.sdd(tmp_path / "tree"), tmp_path / "tree.zip")
    (tmp_path / "outer").mkdir()
    shutil.move(tmp_path / "tree.zip", tmp_path / "outer/inner.zip")
    found = prepare("sdd", zipped(tmp_path / "outer", tmp_path / "outer.zip"), tmp_path / "data")
    assert found.categories[0].test_anomalous == 3


def test_the_wrong_archive(tmp_path: Path) -> None:
    packed = zipped(raws.sdd(tmp_path / "tree"), tmp_path / "sdd.zip")
    with pytest.raises(DataError, match=r"This looks like sdd, not brainmri\..*sdd\.zip unpacks to that"):
        prepare("brainmri", packed, tmp_path / "data")
    (tmp_path / "kolektor.7z").write_bytes(b"7z")
    with pytest.raises(DataError, match="only zip and tar files can be read"):
        prepare("sdd", tmp_path / "kolektor.7z", tmp_path / "data")


def _tar(path: Path, *infos: tuple[str, bytes, str, bytes]) -> None:
    with tarfile.open(path, "w") as tape:
        for name, kind, link, content in infos:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(content)
            tape.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt", "C:/evil.txt", "..\\evil.txt"]
)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / f"deep/x.{kind}"
    path.parent.mkdir()
    if kind == "tar":
        _tar(path, ("kos01/a.txt", tarfile.REGTYPE, "", b"x"), (name, tarfile.REGTYPE, "", b"x"))
    else:
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("kos01/a.txt", b"x")
            packed.writestr(name, b"x")
    with pytest.raises(DataError, match="would be written outside"):
        prepare("sdd", path, tmp_path / "deep/data")
    assert not list(tmp_path.rglob("evil*"))
    assert not [p for p in (tmp_path / "deep/data" / archives.AREA).iterdir() if p.is_dir()]


def test_links_are_read_but_never_made(tmp_path: Path) -> None:
    """A hard link is the file it means; one that leads out of the archive, and a device, are left out."""
    (tmp_path / "secret").write_bytes(b"secret")
    _tar(
        tmp_path / "x.tar",
        ("kos01/real.txt", tarfile.REGTYPE, "", b"real"),
        ("kos01/hard.txt", tarfile.LNKTYPE, "kos01/real.txt", b""),
        ("kos01/soft.txt", tarfile.SYMTYPE, "real.txt", b""),
        ("kos01/out", tarfile.SYMTYPE, str(tmp_path), b""),
        ("kos01/out/secret", tarfile.REGTYPE, "", b"mine"),
        ("kos01/null", tarfile.CHRTYPE, "", b""),
    )
    place = archives.unpack([tmp_path / "x.tar"], tmp_path / "data")
    held = {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    names = {"kos01/real.txt": b"real", "kos01/hard.txt": b"real", "kos01/soft.txt": b"real"}
    assert held == {**names, "kos01/out/secret": b"mine"}
    assert not any(p.is_symlink() for p in place.rglob("*"))
    assert (tmp_path / "secret").read_bytes() == b"secret"


@pytest.mark.parametrize("damage", ["cut", "noise", "flip", "password"])
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_damaged_archives_leave_nothing(tmp_path: Path, damage: str, kind: str) -> None:
    tree = raws.sdd(tmp_path / "tree")
    path = tmp_path / f"sdd.{kind}"
    content = bytearray(
        (zipped if kind == "zip" else lambda t, p: taped(t, p, "w:gz"))(tree, path).read_bytes()
    )
    if damage == "password" and kind == "zip":  # the flag in the central directory
        for at in range(len(content) - 4):
            if content[at : at + 4] == b"PK\x01\x02":
                content[at + 8] |= 1
    elif damage == "flip":
        content[len(content) // 3] ^= 0xFF
    elif damage == "noise":
        content[:] = bytes(range(256)) * 20
    else:
        content[:] = content[: len(content) // 2]
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be unpacked: .*\n.*download it again") as raised:
        prepare("sdd", path, tmp_path / "data")
    assert str(path) in raised.value.message
    assert not [p for p in (tmp_path / "data" / archives.AREA).iterdir() if p.is_dir()]
    assert not (tmp_path / "data/sdd").exists()


def test_bombs_and_full_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("kos01/zeros", bytes(2_000_000))
    monkeypatch.setattr(archives, "BOMB_BYTES", 1_000_000)
    with pytest.raises(DataError, match="would unpack to more than 2,000,000 bytes"):
        prepare("sdd", path, tmp_path / "data")
    monkeypatch.undo()
    free = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: free)
    with pytest.raises(DataError, match=r"more than the 0\.0 GB that are free"):
        prepare("sdd", path, tmp_path / "data")


def test_a_half_unpacked_archive_is_swept_up(tmp_path: Path) -> None:
    packed = zipped(raws.sdd(tmp_path / "tree"), tmp_path / "sdd.zip")
    left = tmp_path / "data" / archives.AREA / ".tmp-sdd-1-00000000"
    (left / "kos01").mkdir(parents=True)
    assert prepare("sdd", packed, tmp_path / "data").categories[0].test_anomalous == 3
    assert not left.exists()


def test_what_no_dataset_reads_any_more_can_be_removed(tmp_path: Path) -> None:
    data, packed = tmp_path / "data", tmp_path / "sdd.zip"
    assert leftovers.unused(data) == []
    old = prepare("sdd", zipped(raws.sdd(tmp_path / "tree"), packed), data)
    assert leftovers.unused(data) == []
    raws.picture(tmp_path / "tree/kos99/Part0.jpg", raws.noise(9, 30, 10))
    raws.picture(tmp_path / "tree/kos99/Part0_label.bmp", raws.mask(10, 30))
    packed.unlink()
    new = prepare("sdd", zipped(tmp_path / "tree", packed), data)
    assert new.root != old.root
    ((place, size),) = leftovers.unused(data)
    assert old.root_path.is_relative_to(place)
    with (
        atomic.folder_lock(data / ".visa.lock"),
        pytest.raises(DataError, match="visa is being prepared"),
    ):
        leftovers.remove(data)
    assert leftovers.remove(data) == size > 0
    assert not place.exists()
    assert all((new.root_path / s.path).is_file() for s in manifest.read_samples(new))
    assert leftovers.unused(data) == []
