"""Folders in MVTec layout, as people have them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gad.datasets import folder
from gad.datasets.prepare import prepare
from gad.harness import manifest
from gad.harness.errors import DataError
from gad.harness.nouns import Sample


def picture(path: Path, shade: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF"}.get(path.suffix.lower())
    Image.fromarray(np.full((6, 6, 3), shade, np.uint8)).save(path, kind)
    return path


def category(place: Path) -> Path:
    """Two train images, two good and two scratched test images with masks."""
    for number in range(2):
        picture(place / f"train/good/{number:03d}.png", 10 + number)
        picture(place / f"test/good/{number:03d}.png", 20 + number)
        picture(place / f"test/scratch/{number:03d}.png", 30 + number)
        picture(place / f"ground_truth/scratch/{number:03d}_mask.png", 255)
    return place


def samples(root: Path, tmp_path: Path) -> list[Sample]:
    return manifest.read_samples(prepare(str(root), None, tmp_path / "data"))


def test_plain_layout(tmp_path: Path) -> None:
    category(tmp_path / "parts/big_bolt")
    category(tmp_path / "parts/nut")
    prepared = prepare(str(tmp_path / "parts"), None, tmp_path / "data")
    assert (prepared.name, prepared.protocol, prepared.warnings) == ("parts", "industrial", ())
    assert [(c.category, c.text) for c in prepared.categories] == [("big_bolt", "big bolt"), ("nut", "nut")]
    assert {(c.train_normal, c.test_normal, c.test_anomalous) for c in prepared.categories} == {(2, 2, 2)}
    marked = [s for s in manifest.read_samples(prepared, category="nut") if s.mask]
    assert [(s.id, s.defect, s.label, s.mask) for s in marked] == [
        (f"nut/test/scratch/00{n}.png", "scratch", 1, f"nut/ground_truth/scratch/00{n}_mask.png")
        for n in (0, 1)
    ]
    assert all(s.mask_digest == manifest.file_digest(tmp_path / "parts" / s.mask) for s in marked)


def test_folder_that_is_one_category(tmp_path: Path) -> None:
    category(tmp_path / "bolt")
    prepared = prepare(str(tmp_path / "bolt"), None, tmp_path / "data")
    assert [c.category for c in prepared.categories] == ["bolt"]
    assert manifest.read_samples(prepared)[0].id == "test/good/000.png"


def test_relative_path_is_named_after_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    category(tmp_path / "bolt")
    monkeypatch.chdir(tmp_path / "bolt")
    assert prepare(".", None, tmp_path / "data").name == "bolt"


def test_nested_archive_gives_the_same_ids(tmp_path: Path) -> None:
    category(tmp_path / "parts/nut")
    category(tmp_path / "other/parts/parts/nut")
    plain = prepare(str(tmp_path / "parts"), None, tmp_path / "data")
    nested = prepare(str(tmp_path / "other/parts"), None, tmp_path / "data2")
    assert plain.fingerprint == nested.fingerprint


def test_odd_suffixes(tmp_path: Path) -> None:
    place = category(tmp_path / "parts/nut")
    for name in ("a.JPG", "b.jpeg", "c.BMP", "d.Tif", "e.webp"):
        picture(place / "test/dent" / name, 50)
    picture(place / "ground_truth/dent/a_mask.bmp", 255)
    found = {s.id.rpartition("/")[2]: s for s in samples(tmp_path / "parts", tmp_path) if s.defect == "dent"}
    assert sorted(found) == ["a.JPG", "b.jpeg", "c.BMP", "d.Tif", "e.webp"]
    assert found["a.JPG"].mask == "nut/ground_truth/dent/a_mask.bmp"


def test_what_is_ignored_is_said_or_hidden(tmp_path: Path) -> None:
    place = category(tmp_path / "parts/nut")
    picture(tmp_path / "parts/__MACOSX/nut/train/good/000.png")
    for name in (".DS_Store", "._000.png"):
        (place / "train/good" / name).write_bytes(b"x")
    (place / "test/scratch/notes.txt").write_text("x")
    picture(place / "train/bad/000.png")
    picture(place / "ground_truth/scratch/777_mask.png")
    picture(place / "test/scratch/002.png", 99)
    prepared = prepare(str(tmp_path / "parts"), None, tmp_path / "data")
    assert [c.category for c in prepared.categories] == ["nut"]
    assert prepared.categories[0].train_normal == 2
    told = "\n".join(prepared.warnings)
    for name in ("notes.txt", "bad/", "777_mask.png", "002.png"):
        assert name in told
    assert "DS_Store" not in told
    assert len(prepared.warnings) == 4


@pytest.mark.parametrize(
    ("made", "held"),
    [
        (("Train/good", "Test/good"), "Test/, Train/"),
        (("more/nut/train/good", "more/nut/test/good"), "more/"),
        (("train/good",), "train/"),
        (("test/good",), "test/"),
        ((".",), "it is empty"),
    ],
)
def test_a_folder_that_is_no_category_is_named(tmp_path: Path, made: tuple[str, ...], held: str) -> None:
    category(tmp_path / "parts/nut")
    for name in made:
        (tmp_path / "parts/bolt" / name).mkdir(parents=True)
        picture(tmp_path / "parts/bolt" / name / "a.png") if name != "." else None
    for name in ("ground_truth", ".git", "__MACOSX"):
        (tmp_path / "parts" / name).mkdir()
    prepared = prepare(str(tmp_path / "parts"), None, tmp_path / "data")
    assert [c.category for c in prepared.categories] == ["nut"]
    (warning,) = prepared.warnings
    assert str(tmp_path / "parts/bolt") in warning
    assert held in warning
    assert "expected train/good" in warning


def test_names_are_nfc_whatever_the_disk_says(tmp_path: Path) -> None:
    spelled = [unicodedata.normalize(form, "Prüfstück") for form in ("NFC", "NFD")]
    assert spelled[0] != spelled[1]
    prepared = []
    for number, name in enumerate(spelled):
        place = tmp_path / str(number) / "teile" / name
        category(place)
        picture(place / "test" / unicodedata.normalize(("NFC", "NFD")[number], "Öl") / f"{name}.png", 77)
        prepared.append(prepare(str(tmp_path / str(number) / "teile"), None, tmp_path / f"data{number}"))
    assert prepared[0].fingerprint == prepared[1].fingerprint
    assert prepared[1].categories[0].category == spelled[0]
    for one in prepared:
        assert all((one.root_path / s.path).is_file() for s in manifest.read_samples(one))


def test_empty_image_is_kept_and_named(tmp_path: Path) -> None:
    place = category(tmp_path / "nut")
    (place / "test/good/001.png").write_bytes(b"")
    prepared = prepare(str(place), None, tmp_path / "data")
    assert prepared.categories[0].test_normal == 2
    assert any("test/good/001.png" in warning and "empty" in warning for warning in prepared.warnings)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("train/good", "train/good is missing"),
        ("train", "train/good is missing"),
        ("test", "no test images"),
    ],
)
def test_missing_parts_are_errors(tmp_path: Path, broken: str, words: str) -> None:
    place = category(tmp_path / "parts/nut")
    (place / broken).rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="nut") as raised:
        prepare(str(tmp_path / "parts"), None, tmp_path / "data")
    assert words in raised.value.message
    assert raised.value.fix
    assert not (tmp_path / "data/parts").exists()


def test_no_images_in_train_good(tmp_path: Path) -> None:
    place = category(tmp_path / "nut")
    for file in (place / "train/good").iterdir():
        file.rename(file.with_suffix(".gif"))
    with pytest.raises(DataError, match=r"nut: no train images .*000\.gif") as raised:
        prepare(str(place), None, tmp_path / "data")
    assert ".png" in raised.value.fix


@pytest.mark.parametrize("made", [[], ["a", "b"], ["readme.txt"]])
def test_no_categories(tmp_path: Path, made: list[str]) -> None:
    root = tmp_path / "parts"
    root.mkdir()
    for name in made:
        (root / name).write_text("x") if "." in name else (root / name).mkdir()
    with pytest.raises(DataError, match="cannot tell good from bad images in") as raised:
        prepare(str(root), None, tmp_path / "data")
    assert (made[0] if made else "empty") in raised.value.message


def test_names_of_the_catalog_are_taken(tmp_path: Path) -> None:
    category(tmp_path / "headct")
    with pytest.raises(DataError, match="in the catalog already"):
        prepare(str(tmp_path / "headct"), None, tmp_path / "data")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        prepare(str(tmp_path / "nowhere"), None, tmp_path / "data")


def test_file_instead_of_folder(tmp_path: Path) -> None:
    (tmp_path / "parts").write_text("x")
    with pytest.raises(DataError, match="a file, not a folder"):
        folder.read(tmp_path / "parts", "parts")


def test_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    place = category(tmp_path / "nut")
    try:
        (Path(os.fsdecode(os.fsencode(place / "test/good") + b"/bad\xff.png"))).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system refuses names that are not UTF-8")
    with pytest.raises(DataError, match="not a valid UTF-8 file name"):
        prepare(str(place), None, tmp_path / "data")
