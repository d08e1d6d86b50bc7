"""Raw trees as they circulate: what desktops leave in them, names with spaces, one category of many."""

from __future__ import annotations

from pathlib import Path

import pytest
import raws

from gad.datasets.prepare import prepare


@pytest.mark.parametrize("name", ["mvtec", "aitex", "sdd", "brainmri"])
def test_what_desktops_leave_is_no_news(tmp_path: Path, name: str) -> None:
    """Full downloads have such files in dozens of folders: a warning for each would bury the others."""
    parts = {"brainmri": ("no", "yes"), "mvtec": ("wood", "tile")}.get(name, ())
    raw = getattr(raws, "medical" if name == "brainmri" else name)(tmp_path / "raw", *parts)
    clean = prepare(name, raw, tmp_path / "data")
    for folder in [raw, *(place for place in raw.rglob("*") if place.is_dir())]:
        for left in (".DS_Store", "Thumbs.db", "desktop.ini", "._000.png", "__MACOSX"):
            (folder / left).write_bytes(b"left")
    littered = prepare(name, raw, tmp_path / "data2")
    assert (littered.fingerprint, littered.warnings) == (clean.fingerprint, clean.warnings)


def test_aitex_names_with_spaces_find_their_masks(tmp_path: Path) -> None:
    raw = raws.aitex(tmp_path / "raw")
    clean = prepare("aitex", raw, tmp_path / "data")
    for place, was, now in (
        ("Mask_images", "0044_019_04_mask1.png", "0044_019_04 _mask1.PNG"),
        ("Mask_images", "0001_002_00_mask.png", "0001_002_00_mask .png"),
    ):
        (raw / place / was).rename(raw / place / now)
    spaced = prepare("aitex", raw, tmp_path / "data2")
    assert [c.test_anomalous for c in spaced.categories] == [c.test_anomalous for c in clean.categories]
    assert [text.replace(" ", "") for text in spaced.warnings] == [t.replace(" ", "") for t in clean.warnings]


def test_a_category_that_was_named_does_not_make_the_others_foreign(tmp_path: Path) -> None:
    raws.mvtec(tmp_path / "mvtec", "wood", "bottle", "juice_bottle")
    told = prepare("mvtec", tmp_path / "mvtec/wood", tmp_path / "data").warnings
    (foreign,) = [text for text in told if "not of the dataset" in text]
    assert "juice_bottle" in foreign
    assert "dataset: bottle" not in foreign
    assert any("only 1 of 15 categories are there; not bottle" in text for text in told)
