"""ELPV, KolektorSDD and AITEX: every quirk of the downloads, and the samples of the real ones ($GAD_REALDATA)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import raws
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.model_selection import train_test_split

from gad.datasets import check
from gad.datasets.prepare import prepare
from gad.harness import manifest
from gad.harness.errors import DataError
from gad.harness.images import open_image, open_mask
from gad.harness.manifest import Prepared
from gad.harness.nouns import Sample


def ids(prepared: Prepared, split: str, label: int) -> set[str]:
    return {s.id for s in manifest.read_samples(prepared, split=split, label=label)}


def split(names: list[str]) -> tuple[set[str], set[str]]:
    train, test = train_test_split(names, test_size=0.25, random_state=42)
    return set(train), set(test)


def by_id(prepared: Prepared) -> dict[str, Sample]:
    return {s.id: s for s in manifest.read_samples(prepared)}


# ELPV


def test_elpv_takes_sure_labels_alone_and_splits_sorted_names(tmp_path: Path) -> None:
    prepared = prepare("elpv", raws.elpv(tmp_path / "raw"), tmp_path / "data")
    train, test = split([name for name, p in sorted(raws.ELPV.items()) if p == "0.0"])
    assert (ids(prepared, "train", 0), ids(prepared, "test", 0)) == (train, test)
    assert ids(prepared, "test", 1) == {name for name, p in raws.ELPV.items() if p == "1.0"}
    assert {s.defect for s in manifest.read_samples(prepared, label=1)} == {"mono", "poly"}
    assert [(c.category, c.text) for c in prepared.categories] == [("elpv", "elpv")]


@settings(max_examples=10)
@given(order=st.permutations(list(raws.ELPV)))
def test_elpv_does_not_depend_on_order(order: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        prepared = prepare("elpv", raws.elpv(Path(place) / "raw", order), Path(place) / "data")
        sorted_ = prepare("elpv", raws.elpv(Path(place) / "b/c"), Path(place) / "d")
        assert prepared.fingerprint == sorted_.fingerprint


@pytest.mark.parametrize("change", ["bom", "crlf", "commas", "nested"])
def test_elpv_variants_are_the_same_dataset(tmp_path: Path, change: str) -> None:
    plain = prepare("elpv", raws.elpv(tmp_path / "raw"), tmp_path / "data")
    root = tmp_path / "other/src/elpv_dataset/data" if change == "nested" else tmp_path / "other"
    labels = raws.elpv(root) / "labels.csv"
    text = labels.read_text()
    if change == "commas":
        text = "".join(",".join(line.split()) + "\n" for line in text.splitlines())
    text = {"bom": "\ufeff" + text, "crlf": text.replace("\n", "\r\n")}.get(change, text)
    labels.write_bytes(text.encode())
    assert prepare("elpv", tmp_path / "other", tmp_path / "data2").fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    "line",
    [
        "images/cell0001.png 0.0 mono",
        "images/cell9999.png 0.5 mono",
        "images/cell9999.png nan mono",
        "images/cell9999.png 1.0",
        "images/cell9999.png 1.0 cell",
        "../cell9999.png 1.0 mono",
        "/etc/passwd 1.0 mono",
    ],
)
def test_elpv_wrong_lines_are_named(tmp_path: Path, line: str) -> None:
    raw = raws.elpv(tmp_path / "raw")
    with open(raw / "labels.csv", "a") as handle:
        handle.write(line + "\n")
    with pytest.raises(DataError, match=r"labels\.csv, line 41"):
        prepare("elpv", raw, tmp_path / "data")


def test_elpv_missing_and_empty_images(tmp_path: Path) -> None:
    raw = raws.elpv(tmp_path / "raw")
    (raw / "images/cell0004.png").write_bytes(b"")
    assert any("cell0004.png is empty" in w for w in prepare("elpv", raw, tmp_path / "data").warnings)
    (raw / "images/cell0004.png").unlink()
    with pytest.raises(DataError, match=r"not there \(1\).*cell0004\.png"):
        prepare("elpv", raw, tmp_path / "data")


# KolektorSDD


def test_sdd_thirds(tmp_path: Path) -> None:
    prepared = prepare("sdd", raws.sdd(tmp_path / "raw"), tmp_path / "data")
    anomalous = {"kos01/Part1.jpg#1", "kos02/Part1.jpg#0", "kos02/Part1.jpg#1"}
    everything = [f"{name}.jpg#{n}" for name in raws.SDD for n in range(3)]
    train, test = split([name for name in everything if name not in anomalous])
    assert ids(prepared, "test", 1) == anomalous
    assert (ids(prepared, "train", 0), ids(prepared, "test", 0)) == (train, test)
    assert [(c.category, c.text) for c in prepared.categories] == [("sdd", "SDD")]
    found = by_id(prepared)
    assert [found[f"kos01/Part0.jpg#{n}"].crop for n in range(3)] == [
        (0, 0, 8, 3),
        (0, 3, 8, 6),
        (0, 6, 8, 10),
    ]
    for sample in found.values():
        whole = Image.open(tmp_path / "raw" / sample.path)
        assert sample.crop
        assert np.array_equal(open_image(prepared.root_path, sample), whole.crop(sample.crop))
        assert bool(sample.mask) == bool(sample.label)
    second = np.asarray(open_mask(prepared.root_path, found["kos02/Part1.jpg#1"]))
    assert second.shape == (3, 8)
    assert second.nonzero()[0].tolist() == [0]  # row 3 of the whole: the first of this third
    assert not [p for p in check.check(prepared, tmp_path / "data", full=True) if check.is_error(p)]


@settings(max_examples=10)
@given(order=st.permutations(list(raws.SDD)))
def test_sdd_does_not_depend_on_order(order: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        prepared = prepare("sdd", raws.sdd(Path(place) / "raw", order), Path(place) / "data")
        assert (
            prepared.fingerprint
            == prepare("sdd", raws.sdd(Path(place) / "b/c"), Path(place) / "d").fingerprint
        )


def test_sdd_palette_masks_count_by_colour(tmp_path: Path) -> None:
    """Index 1 is black in one, index 0 is white in the other: what is marked is what is not black."""
    raw = raws.sdd(tmp_path / "raw")
    for name, colours in (("kos01/Part0", [0, 0, 0, 0, 0, 0]), ("kos02/Part0", [255, 255, 255, 0, 0, 0])):
        made = Image.fromarray(raws.mask(8, 10, (0, 0, 8, 3)) // 200, mode="P")
        made.putpalette(colours)
        made.save(raw / f"{name}_label.bmp")
    found = ids(prepare("sdd", raw, tmp_path / "data"), "test", 1)
    assert "kos01/Part0.jpg#0" not in found
    assert {"kos02/Part0.jpg#1", "kos02/Part0.jpg#2"} <= found
    assert "kos02/Part0.jpg#0" not in found


def test_sdd_duplicates_are_told(tmp_path: Path) -> None:
    raw = raws.sdd(tmp_path / "raw")
    for suffix in (".jpg", "_label.bmp"):
        (raw / f"kos02/Part7{suffix}").write_bytes((raw / f"kos01/Part0{suffix}").read_bytes())
    told = [w for w in prepare("sdd", raw, tmp_path / "data").warnings if "same content" in w]
    assert len(told) == 1
    assert "kos02/Part7.jpg has the same content as" in told[0]
    assert "kos01/Part0.jpg" in told[0]


def test_sdd_suffixes_case_and_nesting(tmp_path: Path) -> None:
    plain = prepare("sdd", raws.sdd(tmp_path / "raw"), tmp_path / "data")
    nested = raws.sdd(tmp_path / "deep/KolektorSDD/KolektorSDD")
    (nested / "kos01/Thumbs.db").write_bytes(b"x")
    again = prepare("sdd", tmp_path / "deep", tmp_path / "data2")
    assert again.fingerprint == plain.fingerprint
    assert not any("Thumbs.db" in w for w in again.warnings)
    for file in list((tmp_path / "raw").rglob("*.*")):
        file.rename(file.with_suffix(file.suffix.upper()))
    assert sum(c.test_anomalous for c in prepare("sdd", tmp_path / "raw", tmp_path / "data3").categories) == 3


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda raw: (raw / "kos01/Part0_label.bmp").unlink(), r"Part0\.jpg has no label"),
        (
            lambda raw: (raw / "kos01/Part0_label.bmp").write_bytes(b""),
            r"cannot read mask .*Part0_label\.bmp",
        ),
        (lambda raw: (raw / "kos01/Part0.jpg").write_bytes(b""), r"cannot read image .*Part0\.jpg"),
        (lambda raw: raws.picture(raw / "kos01/Part0_label.bmp", raws.mask(8, 9)), r"is \(8, 9\) pixels"),
    ],
)
def test_sdd_damage_is_an_error_that_names_the_file(tmp_path: Path, damage: object, words: str) -> None:
    raw = raws.sdd(tmp_path / "raw")
    assert callable(damage)
    damage(raw)
    with pytest.raises(DataError, match=words) as raised:
        prepare("sdd", raw, tmp_path / "data")
    assert raised.value.fix
    assert not (tmp_path / "data/sdd").exists()


# AITEX


def test_aitex_squares(tmp_path: Path) -> None:
    prepared = prepare("aitex", raws.aitex(tmp_path / "raw"), tmp_path / "data")
    strips = ["a-2u/0001_000_01", "a-2u/0003_000_01", "b-1u/0001_000_05", "b-1u/0002_000_05"]
    train, test = split([f"NODefect_images/{name}.png#{n:02d}" for name in strips for n in range(4)])
    assert (ids(prepared, "train", 0), ids(prepared, "test", 0)) == (train, test)
    assert {
        s.id.removeprefix("Defect_images/"): s.defect for s in manifest.read_samples(prepared, label=1)
    } == {
        "0001_002_00.png#00": "Broken_end",
        "0001_002_00.png#01": "Broken_end",
        "0044_019_04.png#00": "Fuzzyball",
        "0044_019_04.png#03": "Fuzzyball",
        "0007_036_01.png#02": "Weft_crack",
    }
    assert [(c.category, c.text) for c in prepared.categories] == [("aitex", "AITEX")]


def test_aitex_doubled_masks_are_united_and_cropped(tmp_path: Path) -> None:
    prepared = prepare("aitex", raws.aitex(tmp_path / "raw"), tmp_path / "data")
    found = by_id(prepared)
    first, last = (found[f"Defect_images/0044_019_04.png#{n}"] for n in ("00", "03"))
    assert first.mask == last.mask == "Mask_images/0044_019_04_mask1.png\nMask_images/0044_019_04_mask2.png"
    marked = [np.asarray(open_mask(prepared.root_path, s)) for s in (first, last)]
    assert [m.shape for m in marked] == [(256, 256)] * 2
    assert [(m > 0).sum() for m in marked] == [25, 25]
    assert marked[1][:5, 800 - 768 : 805 - 768].all()
    assert open_image(prepared.root_path, first).mode == "LA"


def test_aitex_narrow_last_square_is_kept(tmp_path: Path) -> None:
    prepared = prepare("aitex", raws.aitex(tmp_path / "raw"), tmp_path / "data")
    narrow = by_id(prepared)["Defect_images/0007_036_01.png#02"]
    assert narrow.crop == (512, 0, raws.NARROW, 256)
    assert open_image(prepared.root_path, narrow).size == (212, 256)
    assert open_mask(prepared.root_path, narrow).size == (212, 256)


def test_aitex_what_is_left_out_is_said(tmp_path: Path) -> None:
    told = "\n".join(prepare("aitex", raws.aitex(tmp_path / "raw"), tmp_path / "data").warnings)
    assert "0100_025_08.png: skipped, as it has no mask 0100_025_08_mask.png" in told
    assert "0009_999_01.png: its mask marks nothing" in told
    assert "0555_002_00_mask.png: ignored, as there is no strip for it" in told


def test_aitex_nesting_and_case_change_nothing(tmp_path: Path) -> None:
    plain = prepare("aitex", raws.aitex(tmp_path / "raw"), tmp_path / "data")
    raws.aitex(tmp_path / "deep/archive", nest=True)
    nested = prepare("aitex", tmp_path / "deep", tmp_path / "data2")
    assert nested.fingerprint == plain.fingerprint
    assert not [p for p in check.check(nested, tmp_path / "data2", full=True) if check.is_error(p)]
    (tmp_path / "raw/NODefect_images").rename(tmp_path / "raw/nodefect_images")
    assert prepare("aitex", tmp_path / "raw", tmp_path / "data3").fingerprint == plain.fingerprint


def test_aitex_moved_within_its_folder_is_found_again(tmp_path: Path) -> None:
    """Ids and fingerprint do not say how folders are nested; where the files are now has to be written all the same."""
    raw = raws.aitex(tmp_path / "raw", nest=True)
    before = prepare("aitex", raw, tmp_path / "data")
    for part in ("NODefect_images", "Defect_images", "Mask_images"):
        (raw / part / part).rename(raw / "inner")
        shutil.rmtree(raw / part)
        (raw / "inner").rename(raw / part)
    again = prepare("aitex", raw, tmp_path / "data")
    assert again.fingerprint == before.fingerprint
    assert not [p for p in check.check(again, tmp_path / "data", full=True) if check.is_error(p)]


@pytest.mark.parametrize("mask", ["0044_019_04_mask2.png", "0001_002_00_mask.png"])
def test_aitex_a_strip_with_a_mask_of_another_size_is_left_out(tmp_path: Path, mask: str) -> None:
    """It costs its own strip: the rest of the download is good."""
    whole = prepare("aitex", raws.aitex(tmp_path / "whole"), tmp_path / "data")
    raw = raws.aitex(tmp_path / "raw")
    raws.picture(raw / "Mask_images" / mask, raws.mask(100, 256, (0, 0, 5, 5)))
    prepared = prepare("aitex", raw, tmp_path / "other")
    strip = mask.partition("_mask")[0]
    assert [w for w in prepared.warnings if f"{strip}.png: skipped, as it is" in w and "(100, 256)" in w]
    assert ids(prepared, "test", 1) == {name for name in ids(whole, "test", 1) if strip not in name}
    assert ids(prepared, "train", 0) == ids(whole, "train", 0)


def test_aitex_a_changed_mask_is_found(tmp_path: Path) -> None:
    prepared = prepare("aitex", raws.aitex(tmp_path / "raw"), tmp_path / "data")
    raws.picture(
        tmp_path / "raw/Mask_images/0044_019_04_mask2.png", raws.mask(raws.WIDE, 256, (800, 0, 806, 5))
    )
    found = [p for p in check.check(prepared, tmp_path / "data", full=True) if check.is_error(p)]
    assert found
    assert all("0044_019_04_mask2.png changed" in problem for problem in found)


# What InCTRL's converters write, and the real samples.


@pytest.mark.parametrize(
    ("name", "inner"), [("elpv", "elpv"), ("sdd", "SDD"), ("aitex", "AITEX"), ("headct", "headct")]
)
def test_converted_folders_are_read_and_said(tmp_path: Path, name: str, inner: str) -> None:
    raws.mvtec(tmp_path / f"{inner}_anomaly_detection", inner)
    prepared = prepare(name, tmp_path / f"{inner}_anomaly_detection", tmp_path / "data")
    (category,) = prepared.categories
    assert (category.category, category.text) == (name, inner)
    assert (category.train_normal, category.test_normal, category.test_anomalous) == (2, 2, 2)
    assert "read in MVTec layout" in prepared.warnings[0]
    direct = prepare(name, tmp_path / f"{inner}_anomaly_detection" / inner, tmp_path / "data2")
    assert direct.fingerprint == prepared.fingerprint


def real(name: str) -> Path:
    home = os.environ.get("GAD_REALDATA", "")
    if not home or not (Path(home) / name).is_dir():
        pytest.skip(f"GAD_REALDATA names no folder with {name}")
    return Path(home) / name


@pytest.mark.parametrize(
    ("name", "counts"),
    # 24 and 20 cells; 16 images in thirds, 2 of them with a defect; 4 strips of 16 squares.
    [("elpv", (18, 6, 20)), ("sdd", (34, 12, 2)), ("aitex", (48, 16, 8))],
)
def test_the_real_samples(tmp_path: Path, name: str, counts: tuple[int, int, int]) -> None:
    prepared = prepare(name, real(f"samples/{name}"), tmp_path / "data")
    (only,) = prepared.categories
    assert (only.train_normal, only.test_normal, only.test_anomalous) == counts
    problems = check.check(prepared, tmp_path / "data", full=True)
    assert not [p for p in problems if check.is_error(p)]
    if name == "aitex":
        found = Counter(s.defect for s in manifest.read_samples(prepared, label=1))
        assert set(found) == {"Broken_end", "Fuzzyball", "Warp_ball"}
