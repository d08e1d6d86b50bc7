"""Wrong, broken and hostile raw trees: every case ends in an error that says what to do, or is recorded."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
from pathlib import Path

import pytest
import raws
from hypothesis import given, settings
from hypothesis import strategies as st
from raws import TREES, headct

from gad.datasets import catalog, seen
from gad.datasets.expected import official
from gad.datasets.prepare import prepare
from gad.datasets.progress import track
from gad.harness import manifest, prompts
from gad.harness.errors import DataError
from gad.harness.manifest import Prepared
from gad.harness.nouns import Sample

SEEN_AS = {"mvtec": "a folder in MVTec layout"}


def test_every_raw_dataset_is_here() -> None:
    assert set(TREES) == {name for name, info in catalog.DATASETS.items() if not info.bundled}


@pytest.mark.parametrize("name", TREES)
def test_again_changes_nothing_and_reads_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = TREES[name](tmp_path / "raw")
    first = prepare(name, raw, tmp_path / "data")
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "data" / name).rglob("*")}
    monkeypatch.setattr("gad.datasets.building.build", None)
    assert prepare(name, raw, tmp_path / "data") == first
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "data" / name).rglob("*")} == files


@pytest.mark.parametrize("name", TREES)
def test_a_change_is_noticed(tmp_path: Path, name: str) -> None:
    raw = TREES[name](tmp_path / "raw")
    first = prepare(name, raw, tmp_path / "data")
    (tmp_path / "data" / name / manifest.MANIFEST).write_bytes(b"damaged")
    assert prepare(name, raw, tmp_path / "data") == first
    assert len(manifest.read_samples(first)) > 4
    os.utime(next(p for p in sorted(raw.rglob("*")) if p.is_file()), ns=(1, 1))
    assert not seen.unchanged(tmp_path / "data" / name, raw, seen.listing(raw))
    assert prepare(name, raw, tmp_path / "data") == first  # touched, but the same bytes
    assert seen.unchanged(tmp_path / "data" / name, raw, seen.listing(raw))


@pytest.mark.parametrize("name", TREES)
@settings(max_examples=4)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_files_changes_nothing(name: str, seed: int) -> None:
    """Splits are of sorted names: folders list their files in another order on every file system."""
    with tempfile.TemporaryDirectory() as place:
        raw, copy = TREES[name](Path(place) / "raw"), Path(place) / "copy"
        files = sorted(p for p in raw.rglob("*") if p.is_file())
        for file in random.Random(seed).sample(files, len(files)):
            target = copy / file.relative_to(raw)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
        if name == "headct":
            head, *lines = (copy / "labels.csv").read_text().splitlines()
            lines = random.Random(seed).sample(lines, len(lines))
            (copy / "labels.csv").write_text("\n".join([head, *lines, ""]))
        first, second = (prepare(name, tree, Path(place) / tree.name / "data") for tree in (raw, copy))
        assert first.fingerprint == second.fingerprint
        category = first.categories[0].category
        drawn = [
            prompts.draw(name, category, seed % 5, _shuffled(tree, category, seed), 2).samples
            for tree in (first, second)
        ]
        assert [s.id for s in drawn[0]] == [s.id for s in drawn[1]]


def _shuffled(prepared: Prepared, category: str, seed: int) -> list[Sample]:
    train = manifest.read_samples(prepared, category=category, split="train", label=0)
    return random.Random(seed + len(prepared.root)).sample(train, len(train))


@pytest.mark.parametrize("made", TREES)
@pytest.mark.parametrize("asked", ["headct", "elpv", "sdd", "cifar10-multi-class", "visa", "mvtec"])
def test_the_wrong_tree_is_recognised(tmp_path: Path, made: str, asked: str) -> None:
    same = made.partition("-")[0] == asked.partition("-")[0]
    if same or (made == "mvtec" and asked != "sdd"):
        pytest.skip("the right tree, or one that may have been converted")
    raw = TREES[made](tmp_path / "raw")
    with pytest.raises(DataError, match=f"^{asked}: .* is not its folder") as raised:
        prepare(asked, raw, tmp_path / "data")
    found = SEEN_AS.get(made, made.partition("-")[0])
    assert f"This looks like {found}, not {asked}." in raised.value.message
    assert not (tmp_path / "data" / asked).exists()


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("kind", ["empty", "file", "nothing", "strangers"])
def test_a_tree_of_something_else(tmp_path: Path, name: str, kind: str) -> None:
    raw = tmp_path / "raw"
    if kind == "file":
        raw.write_bytes(b"x")
    elif kind != "nothing":
        raw.mkdir()
    if kind == "strangers":
        (raw / "photo.png").write_bytes(b"x")
        (raw / "deep/deeper").mkdir(parents=True)
    with pytest.raises(DataError, match="is not its folder") as raised:
        prepare(name, raw, tmp_path / "data")
    held = {
        "empty": "empty",
        "file": "a file, not a folder",
        "nothing": "no such folder",
        "strangers": "photo.png",
    }
    assert held[kind] in raised.value.message
    assert raised.value.fix


@pytest.mark.parametrize("name", TREES)
def test_names_that_are_not_utf8(tmp_path: Path, name: str) -> None:
    raw = TREES[name](tmp_path / "raw")
    for folder in [raw, *(p for p in raw.rglob("*") if p.is_dir())]:
        try:
            Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.png")).write_bytes(b"x")
        except OSError:
            pytest.skip("this file system refuses names that are not UTF-8")
    if name in ("visa", "elpv") or name.startswith("cifar10"):
        assert prepare(name, raw, tmp_path / "data")  # what these read is named by a list
        return
    with pytest.raises(DataError, match="not a valid UTF-8 file name"):
        prepare(name, raw, tmp_path / "data")


@pytest.mark.parametrize("name", TREES)
def test_loops_of_links_end(tmp_path: Path, name: str) -> None:
    raw = TREES[name](tmp_path / "raw")
    for folder in [raw, *(p for p in raw.rglob("*") if p.is_dir())]:
        (folder / "loop").symlink_to(raw)
        (folder / "self").symlink_to("self")
    with contextlib.suppress(DataError):
        assert prepare(name, raw, tmp_path / "data").categories


def test_an_image_too_large_to_open_is_named(tmp_path: Path) -> None:
    """30,000 pixels a side: Pillow refuses it as a decompression bomb."""
    raw = raws.sdd(tmp_path / "raw")
    header = (raw / "kos01/Part0_label.bmp").read_bytes()
    size = (30_000).to_bytes(4, "little")
    (raw / "kos01/Part0_label.bmp").write_bytes(header[:18] + size + size + header[26:])
    with pytest.raises(DataError, match=r"cannot read mask .*Part0_label\.bmp"):
        prepare("sdd", raw, tmp_path / "data")


def test_the_official_set_is_verified_or_what_differs_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = headct(tmp_path / "raw")
    prepared = prepare("headct", raw, tmp_path / "data")
    assert official(prepared).startswith(
        "differs from the official set: category headct: found 3 train normal"
    )
    info = catalog.DATASETS["headct"]
    (category,) = info.expected
    counts = {
        field: getattr(prepared.categories[0], field)
        for field in ("train_normal", "test_normal", "test_anomalous")
    }
    right = info.model_copy(update={"expected": (category.model_copy(update=counts),)})
    monkeypatch.setitem(catalog.DATASETS, "headct", right)
    assert "the counts are right, but not the names or the content" in official(prepared)
    known = right.model_copy(update={"fingerprint": prepared.fingerprint})
    monkeypatch.setitem(catalog.DATASETS, "headct", known)
    assert official(prepared) == "verified: this is the complete official set"
    assert official(prepare("elpv", raws.elpv(tmp_path / "cells"), tmp_path / "data")) == ""


def test_roughly_known_counts_are_not_nagged_about() -> None:
    from gad.datasets.expected import count_differences

    info = catalog.DATASETS["aitex"]
    (expected,) = info.expected
    for found, told in ((183, 0), (190, 0), (150, 1)):
        assert len(count_differences(info, [expected.model_copy(update={"test_anomalous": found})])) == told
    (text,) = count_differences(info, [expected.model_copy(update={"test_anomalous": 2})])
    assert "about 183 test anomalous" in text


def test_the_bar_is_for_terminals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(track(range(3), "reading")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(track(range(3), "reading")) == [0, 1, 2]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "reading" in captured.err
