"""HeadCT and BrainMRI: small trees with every quirk, and the real ones where they are ($GAD_REALDATA)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import raws
from sklearn.model_selection import train_test_split

from gad.datasets import check, describe
from gad.datasets.prepare import prepare
from gad.harness import manifest
from gad.harness.errors import DataError
from gad.harness.images import open_image, to_pixels
from gad.harness.manifest import Prepared
from gad.harness.nouns import ImageInput

LABELS = {number: int(number % 3 == 0) for number in range(24)}


def headct(place: Path, *, images: str = "head_ct", header: str = "id, hemorrhage") -> Path:
    (place / images).mkdir(parents=True)
    for number in LABELS:
        (place / images / f"{number:03d}.png").write_bytes(f"slice {number}".encode())
    rows = [f"{number},{label}" for number, label in LABELS.items()]
    (place / "labels.csv").write_text("\n".join([header, *rows, ""]))
    return place


def brainmri(place: Path) -> Path:
    """Names as in the download: `10 no.jpg` sorts before `2 no.jpeg`, mixed suffixes and case."""
    for name in [f"{n} no.{'jpeg' if n % 4 == 2 else 'jpg'}" for n in range(1, 13)] + ["N1.JPG", "no 9.png"]:
        (place / "no").mkdir(parents=True, exist_ok=True)
        (place / "no" / name).write_bytes(name.encode())
    for name in ("Y1.jpg", "Y2.JPG"):
        (place / "yes").mkdir(parents=True, exist_ok=True)
        (place / "yes" / name).write_bytes(name.encode())
    return place


def ids(prepared: Prepared, split: str, label: int) -> set[str]:
    return {s.id for s in manifest.read_samples(prepared, split=split, label=label)}


@pytest.mark.parametrize("header", ["id, hemorrhage", "id,hemorrhage", "\ufeffid, hemorrhage"])
def test_headct_split_is_in_the_order_of_the_csv(tmp_path: Path, header: str) -> None:
    prepared = prepare("headct", headct(tmp_path / "raw", header=header), tmp_path / "data")
    train, test = train_test_split(
        [f"head_ct/{n:03d}.png" for n, label in LABELS.items() if not label], test_size=0.25, random_state=42
    )
    assert ids(prepared, "train", 0) == set(train)
    assert ids(prepared, "test", 0) == set(test)
    assert ids(prepared, "test", 1) == {f"head_ct/{n:03d}.png" for n, label in LABELS.items() if label}
    assert [c.text for c in prepared.categories] == ["headct"]
    assert "found 12 train normal, 4 test normal, 8 test anomalous" in prepared.warnings[0]


def test_headct_ids_do_not_depend_on_nesting(tmp_path: Path) -> None:
    trees = [
        headct(tmp_path / "plain"),
        headct(tmp_path / "nested", images="head_ct/head_ct"),
        headct(tmp_path / "deep/archive").parent,
    ]
    found = [prepare("headct", tree, tmp_path / f"data{n}") for n, tree in enumerate(trees)]
    assert len({prepared.fingerprint for prepared in found}) == 1
    assert found[1].root != found[0].root
    for prepared in found:
        assert not [p for p in check.check(prepared, tmp_path) if check.is_error(p)]


@pytest.mark.parametrize(
    ("line", "words"),
    [("30,2", "line 26"), ("0,1", "line 26"), ("x,1", "line 26"), ("5", "line 26"), ("99,0", "099.png")],
)
def test_headct_wrong_labels(tmp_path: Path, line: str, words: str) -> None:
    raw = headct(tmp_path / "raw")
    with open(raw / "labels.csv", "a") as handle:
        handle.write(line + "\n")
    with pytest.raises(DataError, match=r"labels\.csv") as raised:
        prepare("headct", raw, tmp_path / "data")
    assert words in raised.value.message
    assert raised.value.fix


def test_headct_wrong_header(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the header is"):
        prepare("headct", headct(tmp_path / "raw", header="name,label"), tmp_path / "data")


def test_headct_labels_that_are_no_text(tmp_path: Path) -> None:
    raw = headct(tmp_path / "raw")
    (raw / "labels.csv").write_bytes("id, hemorrhage\n0, ü\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"labels\.csv: cannot be read as UTF-8"):
        prepare("headct", raw, tmp_path / "data")


def test_headct_empty_and_unlisted_files_are_named(tmp_path: Path) -> None:
    raw = headct(tmp_path / "raw")
    (raw / "head_ct/007.png").write_bytes(b"")
    (raw / "head_ct/300.png").write_bytes(b"x")
    told = "\n".join(prepare("headct", raw, tmp_path / "data").warnings)
    assert "007.png is empty (0 bytes)" in told
    assert "300.png" in told


def test_brainmri_split_is_of_sorted_names(tmp_path: Path) -> None:
    raw = brainmri(tmp_path / "raw")
    prepared = prepare("brainmri", raw, tmp_path / "data")
    names = sorted(f"no/{name}" for name in os.listdir(raw / "no"))
    train, test = train_test_split(names, test_size=0.25, random_state=42)
    assert ids(prepared, "train", 0) == set(train)
    assert ids(prepared, "test", 0) == set(test)
    assert ids(prepared, "test", 1) == {"yes/Y1.jpg", "yes/Y2.JPG"}
    assert {s.defect for s in manifest.read_samples(prepared, label=1)} == {"tumor"}


def test_brainmri_may_be_nested_and_hides_macs_files(tmp_path: Path) -> None:
    plain = brainmri(tmp_path / "plain")
    nested = brainmri(tmp_path / "nested/brain_tumor_dataset").parent
    brainmri(nested / "__MACOSX")
    (nested / "brain_tumor_dataset/no/.DS_Store").write_bytes(b"x")
    found = [prepare("brainmri", tree, tmp_path / f"data{n}") for n, tree in enumerate((plain, nested))]
    assert found[0].fingerprint == found[1].fingerprint


@pytest.mark.parametrize(
    ("name", "make", "hint"),
    [
        ("headct", brainmri, "This looks like brainmri, not headct."),
        ("brainmri", headct, "This looks like headct, not brainmri."),
        ("headct", lambda place: place.mkdir() or place, "it is empty"),
        ("brainmri", lambda place: place, "no such folder"),
    ],
)
def test_wrong_folder_says_so(tmp_path: Path, name: str, make: object, hint: str) -> None:
    assert callable(make)
    with pytest.raises(DataError, match=f"{name}: .*raw is not its folder") as raised:
        prepare(name, make(tmp_path / "raw"), tmp_path / "data")
    assert hint in raised.value.message
    assert not (tmp_path / "data" / name).exists()


def test_raw_folder_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--raw DIR"):
        prepare("headct", None, tmp_path / "data")


def real(name: str) -> Path:
    home = os.environ.get("GAD_REALDATA", "")
    if not home or not (Path(home) / name).is_dir():
        pytest.skip(f"GAD_REALDATA names no folder with {name}")
    return Path(home) / name


@pytest.mark.parametrize(("name", "counts"), [("headct", (75, 25, 100)), ("brainmri", (73, 25, 155))])
def test_the_real_ones(tmp_path: Path, name: str, counts: tuple[int, int, int]) -> None:
    prepared = prepare(name, real(name), tmp_path / "data")
    (only,) = prepared.categories
    assert (only.train_normal, only.test_normal, only.test_anomalous) == counts
    assert prepared.warnings == ()
    problems = check.check(prepared, tmp_path / "data", full=True)
    assert not [p for p in problems if check.is_error(p)]
    assert all("same content" in p or "same pixels" in p for p in problems)


def test_real_headct_with_a_missing_slice(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(real("headct"), raw)
    next(raw.rglob("123.png")).unlink()
    with pytest.raises(DataError, match=r"123\.png"):
        prepare("headct", raw, tmp_path / "data")


def test_brainmri_of_mixed_modes_suffixes_and_sizes(tmp_path: Path) -> None:
    """Grey, RGB, RGBA and palette images, as they circulate: every one is read, and gives RGB pixels."""
    modes = {"a.jpg": "L", "b.jpeg": "RGB", "c.JPG": "RGB", "d.png": "RGBA", "e.PNG": "P"}
    for number, (name, mode) in enumerate([*modes.items()] * 2):
        place = tmp_path / "raw" / ("no" if number < 5 else "yes") / name
        raws.picture(place, raws.noise(number, 9 + number, 12, 3), mode)
    prepared = prepare("brainmri", tmp_path / "raw", tmp_path / "data")
    samples = manifest.read_samples(prepared)
    assert len(samples) == 10
    for sample in samples:
        pixels = to_pixels(open_image(prepared.root_path, sample), ImageInput(size=8, resize="crop"))
        assert pixels.shape == (8, 8, 3)
    problems = check.check(prepared, tmp_path / "data", full=True)
    assert len(problems) == 1  # the counts
    assert "expected 73 train normal" in problems[0]
    assert describe.images_of(prepared)["modes"] == {"RGB": 4, "L": 2, "RGBA": 2, "P": 2}
