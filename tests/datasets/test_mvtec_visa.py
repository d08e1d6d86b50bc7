"""MVTec AD and VisA: subsets, nesting, the split file with its quirks, and what converters write."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import raws

from gad.datasets import check
from gad.datasets.prepare import prepare
from gad.harness import manifest
from gad.harness.errors import DataError
from gad.harness.images import open_mask


def test_mvtec_subset_is_fine_and_said(tmp_path: Path) -> None:
    raw = raws.mvtec(tmp_path / "raw", "metal_nut", "bottle")
    (raw / "readme.txt").write_text("x")
    prepared = prepare("mvtec", raw, tmp_path / "data")
    assert [(c.category, c.text) for c in prepared.categories] == [
        ("bottle", "bottle"),
        ("metal_nut", "metal nut"),
    ]
    (only, *counts) = prepared.warnings
    assert only.startswith("only 2 of 15 categories are there; not cable, capsule, carpet, grid")
    assert [c.partition(":")[0] for c in counts] == ["category bottle", "category metal_nut"]
    assert {s.mask for s in manifest.read_samples(prepared, category="bottle", label=1)} == {
        f"bottle/ground_truth/crack/00{n}_mask.png" for n in (0, 1)
    }


def test_mvtec_ids_do_not_depend_on_what_was_named(tmp_path: Path) -> None:
    raws.mvtec(tmp_path / "mvtec_anomaly_detection/mvtec", "wood")
    places = (
        "mvtec_anomaly_detection",
        "mvtec_anomaly_detection/mvtec",
        "mvtec_anomaly_detection/mvtec/wood",
    )
    found = [prepare("mvtec", tmp_path / place, tmp_path / f"data{n}") for n, place in enumerate(places)]
    assert len({prepared.fingerprint for prepared in found}) == 1
    assert all(s.id.startswith("wood/") for s in manifest.read_samples(found[2]))


def test_mvtec_other_categories_are_ignored_and_named(tmp_path: Path) -> None:
    raw = raws.mvtec(tmp_path / "raw", "wood", "juice_bottle")
    prepared = prepare("mvtec", raw, tmp_path / "data")
    assert [c.category for c in prepared.categories] == ["wood"]
    assert "juice_bottle" in prepared.warnings[0]


def test_visa_follows_its_split_file(tmp_path: Path) -> None:
    prepared = prepare("visa", raws.visa(tmp_path / "raw", "candle", "pipe_fryum"), tmp_path / "data")
    assert [(c.category, c.text) for c in prepared.categories] == [
        ("candle", "candle"),
        ("pipe_fryum", "pipe fryum"),
    ]
    for category in ("candle", "pipe_fryum"):
        found = manifest.read_samples(prepared, category=category)
        expected = sorted(
            (row[1], row[3], int(row[2] == "anomaly"), row[4]) for row in raws.visa_rows(category)
        )
        assert sorted((s.split, s.id, s.label, s.mask) for s in found) == expected
    anomalous = manifest.read_samples(prepared, label=1)
    # VisA marks with small numbers: what is not 0 is marked.
    assert set(np.unique(np.asarray(open_mask(prepared.root_path, anomalous[0])))) == {0, 255}
    assert not [p for p in check.check(prepared, tmp_path / "data", full=True) if check.is_error(p)]


@pytest.mark.parametrize("change", ["bom", "crlf", "shuffled", "columns", "blank", "nested"])
def test_visa_variants_are_the_same_dataset(tmp_path: Path, change: str) -> None:
    plain = prepare("visa", raws.visa(tmp_path / "raw", "candle", "pcb1"), tmp_path / "data")
    root = raws.visa(tmp_path / ("other/VisA_20220922" if change == "nested" else "other"), "candle", "pcb1")
    rows = [raws.COLUMNS, *raws.visa_rows("candle", "pcb1")]
    if change == "shuffled":
        rows = [rows[0], *random.Random(0).sample(rows[1:], len(rows) - 1)]
    if change == "columns":
        rows = [[row[4], row[2], row[0], row[3], row[1]] for row in rows]
    if change == "blank":
        rows = [*rows[:3], [""], *rows[3:], ["", "", "", "", ""]]
    start, end = ("\ufeff" if change == "bom" else ""), ("\r\n" if change == "crlf" else "\n")
    raws.write_csv(root / "split_csv/1cls.csv", rows, start=start, end=end)
    assert prepare("visa", tmp_path / "other", tmp_path / "data2").fingerprint == plain.fingerprint


def test_visa_categories_that_are_not_there_are_said(tmp_path: Path) -> None:
    raw = raws.visa(tmp_path / "raw", "candle", "pcb1")
    (raw / "pcb1").rename(tmp_path / "elsewhere")
    prepared = prepare("visa", raw, tmp_path / "data")
    assert [c.category for c in prepared.categories] == ["candle"]
    assert prepared.warnings[0].startswith("only 1 of 12 categories are there; not capsules")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["object", "split", "label", "image"]], "the header is"),
        ([[*raws.COLUMNS, "more"]], "the header is"),
        ([raws.COLUMNS, ["candle", "train", "anomaly", "candle/x.JPG", ""]], "line 2"),
        ([raws.COLUMNS, ["candle", "valid", "normal", "candle/x.JPG", ""]], "line 2"),
        ([raws.COLUMNS, ["candle", "train", "normal"]], "line 2"),
        ([raws.COLUMNS, ["candle", "train", "normal", "../candle/x.JPG", ""]], "line 2"),
        ([raws.COLUMNS, ["candle", "train", "normal", "/etc/passwd", ""]], "line 2"),
        ([raws.COLUMNS, ["..", "train", "normal", "candle/x.JPG", ""]], "line 2"),
        ([raws.COLUMNS, ["candle", "train", "normal", "candle/x.JPG", ""]], "not there"),
        ([], "the header is"),
    ],
)
def test_visa_wrong_split_files(tmp_path: Path, rows: list[list[str]], words: str) -> None:
    raw = raws.visa(tmp_path / "raw", "candle")
    raws.write_csv(raw / "split_csv/1cls.csv", rows)
    with pytest.raises(DataError, match=r"1cls\.csv") as raised:
        prepare("visa", raw, tmp_path / "data")
    assert words in raised.value.message
    assert not (tmp_path / "data/visa").exists()


def test_visa_missing_mask_and_empty_image(tmp_path: Path) -> None:
    raw = raws.visa(tmp_path / "raw", "candle")
    (raw / "candle/Data/Images/Normal/0000.JPG").write_bytes(b"")
    assert any("0000.JPG is empty" in w for w in prepare("visa", raw, tmp_path / "data").warnings)
    (raw / "candle/Data/Masks/Anomaly/001.png").unlink()
    with pytest.raises(DataError, match=r"not there \(1\).*Masks/Anomaly/001\.png"):
        prepare("visa", raw, tmp_path / "data")


@pytest.mark.parametrize(("place", "bad"), [("VisA_pytorch/1cls", "bad"), ("visa_new", "defect")])
def test_visa_as_converters_write_it(tmp_path: Path, place: str, bad: str) -> None:
    raws.mvtec(tmp_path / "raw" / place, "candle", "pcb1", bad=bad, suffix=".JPG")
    prepared = prepare("visa", tmp_path / "raw", tmp_path / "data")
    assert [c.category for c in prepared.categories] == ["candle", "pcb1"]
    assert "read in MVTec layout" in prepared.warnings[0]
