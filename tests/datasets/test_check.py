"""What a data check finds in a prepared dataset that was tampered with."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import raws
from PIL import Image
from typer.testing import CliRunner

from gad.datasets import check
from gad.datasets.prepare import prepare
from gad.harness import manifest
from gad.harness.cli.data import app
from gad.harness.errors import DataError, UsageError
from gad.harness.images import open_mask


def picture(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A folder dataset of one category with three images a set, masks, and brackets in a name."""
    root = tmp_path / "parts"
    for number in range(3):
        for kind, name in enumerate(("train/good", "test/good", "test/[b]dent")):
            noise = np.random.default_rng(10 * kind + number).integers(0, 256, (12, 20, 3), dtype=np.uint8)
            picture(root / "nut" / name / f"{number}.png", noise)
        mask = np.zeros((12, 20), np.uint8)
        mask[4:7, 8:12] = 255
        picture(root / "nut/ground_truth/[b]dent" / f"{number}_mask.png", mask)
    return root


def problems(parts: Path, full: bool = True) -> list[str]:
    data = parts.parent / "data"
    prepared = (
        manifest.load(data, "parts") if manifest.exists(data, "parts") else prepare(str(parts), None, data)
    )
    return check.check(prepared, data, full)


def test_nothing_wrong(parts: Path) -> None:
    assert problems(parts) == []
    assert problems(parts, full=False) == []


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


def wide_mask(path: Path) -> None:
    mask = np.zeros((12, 20), np.uint8)
    mask[:, 0] = 255
    picture(path, mask)


@pytest.mark.parametrize(
    ("path", "damage", "words", "quick"),
    [
        ("test/good/1.png", lambda p: p.unlink(), "error: image {} is missing", True),
        ("test/good/1.png", lambda p: p.write_bytes(b""), "error: image {} is empty", True),
        ("ground_truth/[b]dent/1_mask.png", lambda p: p.unlink(), "error: mask {} is missing", True),
        ("train/good/1.png", flip, "error: image {} changed", False),
        ("train/good/1.png", lambda p: p.write_bytes(b"no image"), "error: image {} cannot be read", False),
        ("ground_truth/[b]dent/1_mask.png", flip, "error: mask {} c", False),
    ],
)
def test_damage_after_preparing(
    parts: Path, path: str, damage: Callable[[Path], None], words: str, quick: bool
) -> None:
    assert problems(parts) == []
    file = parts / "nut" / path
    damage(file)
    found = problems(parts)
    assert any(p.startswith(words.format(file)) for p in found), found
    assert all("harness data prepare" in p for p in found)
    assert bool(problems(parts, full=False)) == quick


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: picture(p, np.zeros((12, 20), np.uint8)), "warning: mask {} marks nothing"),
        (
            lambda p: picture(p, np.ones((20, 12), np.uint8)),
            "error: mask {} is (12, 20) pixels, its image (20, 12)",
        ),
        (wide_mask, "warning: mask {} (nut/test/[b]dent/0.png) lies outside the central square"),
    ],
)
def test_masks_that_do_not_fit(parts: Path, make: Callable[[Path], None], words: str) -> None:
    file = parts / "nut/ground_truth/[b]dent/0_mask.png"
    make(file)
    (found,) = problems(parts)
    assert found.startswith(words.format(file))


def test_same_image_in_train_and_test_is_a_leak(parts: Path) -> None:
    shutil.copy(parts / "nut/train/good/0.png", parts / "nut/test/good/9.png")
    for full in (False, True):
        (found,) = problems(parts, full)
        assert found.startswith("warning: ")
        assert "nut/train/good/0.png" in found
        assert "nut/test/good/9.png" in found


def test_images_that_are_there_twice_in_one_split(parts: Path) -> None:
    shutil.copy(parts / "nut/train/good/0.png", parts / "nut/train/good/8.png")
    shutil.copy(parts / "nut/test/good/0.png", parts / "nut/test/good/9.png")
    shutil.copy(parts / "nut/test/good/1.png", parts / "nut/test/[b]dent/1.png")
    found = problems(parts, full=False)
    assert len(found) == 3
    contradiction, twice, shots = found  # the worse first
    assert "test images nut/test/[b]dent/1.png, nut/test/good/1.png" in contradiction
    assert "no detector can be right on all" in contradiction
    assert "test images nut/test/good/0.png, nut/test/good/9.png have the same content" in twice
    assert "train images nut/train/good/0.png, nut/train/good/8.png" in shots


def test_the_same_picture_in_another_file_format_is_a_leak(parts: Path) -> None:
    """Also as a palette image, or with an alpha channel: what counts is what is seen."""
    seen = Image.open(parts / "nut/train/good/0.png")
    seen.save(parts / "nut/test/good/8.bmp")
    seen.convert("RGBA").save(parts / "nut/test/good/9.png")
    assert problems(parts, full=False) == []
    (found,) = problems(parts)
    assert "test image nut/test/good/8.bmp, nut/test/good/9.png and train image nut/train/good/0.png" in found
    assert "have the same pixels, though their files differ" in found


def test_a_mask_that_is_missing_or_doubled(parts: Path) -> None:
    place = parts / "nut/ground_truth/[b]dent"
    (place / "0_mask.png").unlink()
    (place / "1_mask.png").rename(place / "1_mask1.png")
    picture(place / "1_mask2.png", np.eye(12, 20, 4, dtype=np.uint8))
    found = problems(parts)
    assert len(found) == 2
    assert "without a mask, unlike the others: nut/test/[b]dent/0.png" in found[0]
    assert "1.png has 2 masks, which are united" in found[1]
    (sample,) = [
        s for s in manifest.read_samples(manifest.load(parts.parent / "data", "parts")) if "\n" in s.mask
    ]
    assert open_mask(parts, sample).histogram()[255] == 12 + 12 - 3  # the box covers 3 of the diagonal's 12


def test_a_mask_that_the_crop_cuts(parts: Path) -> None:
    """Of 20 x 12 pixels the central square starts at column 4: of columns 2 to 9 a quarter is lost."""
    mask = np.zeros((12, 20), np.uint8)
    mask[:, 2:10] = 1
    picture(parts / "nut/ground_truth/[b]dent/2_mask.png", mask)
    (found,) = problems(parts)
    assert "cuts off a part of 1 mask(s), most of nut/test/[b]dent/2.png (25%)" in found


def test_a_picture_of_32_bits(parts: Path) -> None:
    Image.fromarray(np.ones((4, 4), np.int32)).save(parts / "nut/test/good/1.tiff")
    (found,) = problems(parts)
    assert found.startswith("error: image")
    assert "1.tiff has 32 bits a pixel" in found


def test_shared_images_of_one_vs_all_are_told_once(tmp_path: Path) -> None:
    raw = raws.cifar(tmp_path / "raw")
    (raw / "data_batch_2").write_bytes((raw / "data_batch_1").read_bytes())
    content = pickle.loads((raw / "test_batch").read_bytes())
    content[b"data"][1] = content[b"data"][0]
    (raw / "test_batch").write_bytes(pickle.dumps(content))
    prepared = prepare("cifar10-one-vs-all", raw, tmp_path / "data")
    found = [p for p in check.check(prepared, tmp_path / "data", full=True) if "same content" in p]
    contradictions = [p for p in found if "no detector can be right" in p]
    assert len(contradictions) == 1
    assert (
        "categories airplane, automobile: test images test_batch#0000, test_batch#0001" in contradictions[0]
    )
    assert len([p for p in found if "each counts" in p]) == 1  # in the other eight categories
    assert len([p for p in found if "train images" in p]) == 10


def test_raw_folder_is_gone(parts: Path) -> None:
    assert problems(parts) == []
    parts.rename(parts.parent / "moved")
    (found,) = problems(parts)
    assert check.is_error(found)
    assert str(parts) in found


def test_altered_manifest(parts: Path) -> None:
    assert problems(parts) == []
    summary = parts.parent / "data/parts" / manifest.SUMMARY
    fields = json.loads(summary.read_text())
    summary.write_text(json.dumps({**fields, "fingerprint": "0" * 64}))
    assert any("was altered" in p for p in problems(parts))
    (summary.parent / manifest.MANIFEST).write_bytes(b"not parquet")
    (found,) = problems(parts)
    assert found.startswith("error: ")


def test_counts_other_than_expected_are_warnings(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for folder, count in (("no", 8), ("yes", 3)):
        for number in range(count):
            shade = 40 * (folder == "yes") + number
            picture(raw / folder / f"{number}.png", np.full((4, 4), shade, np.uint8))
    prepared = prepare("brainmri", raw, tmp_path / "data")
    (found,) = check.check(prepared, tmp_path / "data", full=True)
    assert found.startswith(
        "warning: category brainmri: found 6 train normal, 2 test normal, 3 test anomalous"
    )
    assert "expected 73 train normal, 25 test normal, 155 test anomalous" in found


def test_bundled_data_has_no_problems(bundled: Path) -> None:
    for name in ("digits-one-vs-all", "textures"):
        assert check.check(manifest.load(bundled, name), bundled, full=True) == []


# The command line over it.


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_json_is_alone_on_stdout(parts: Path) -> None:
    data = str(parts.parent / "data")
    expected = {
        "dataset": "parts",
        "official": None,
        "root": str(parts.resolve()),
        "categories": [
            {
                "category": "nut",
                "train_normal": 3,
                "test_normal": 3,
                "test_anomalous": 3,
                "expected": None,
            }
        ],
        "problems": [],
    }
    for command in ("prepare", "check"):
        code, out = run(command, str(parts), "--data", data, "--json")
        found = json.loads(out)
        assert code == 0
        assert found.pop("fingerprint") == manifest.load(Path(data), "parts").fingerprint
        assert found == expected


def test_exit_code_tells_errors_from_warnings(parts: Path) -> None:
    data = str(parts.parent / "data")
    shutil.copy(parts / "nut/train/good/0.png", parts / "nut/test/good/9.png")
    assert run("check", str(parts), "--data", data)[0] == 0
    (parts / "nut/test/[b]dent/0.png").unlink()
    code, out = run("check", "parts", "--data", data)
    assert code == 1
    assert "[b]dent/0.png is missing" in out  # as it is called, not as markup


def test_bundled_is_prepared_on_the_fly(tmp_path: Path) -> None:
    code, out = run("check", "digits-multi-class", "--data", str(tmp_path / "data"), "--json")
    assert code == 0
    assert json.loads(out)["categories"][0]["test_anomalous"] == 453


def test_unknown_names(tmp_path: Path) -> None:
    for command in ("check", "prepare"):
        with pytest.raises(UsageError, match="Did you mean 'textures'"):
            run(command, "texture", "--data", str(tmp_path))
    with pytest.raises(DataError, match="not prepared"):
        run("check", "headct", "--data", str(tmp_path))


def test_list(parts: Path, bundled: Path) -> None:
    data = parts.parent / "data"
    prepare(str(parts), None, data)
    (data / "broken").mkdir()
    (data / "broken" / manifest.SUMMARY).write_text("{")
    code, out = run("list", "--data", str(data), "--json")
    rows = {row["dataset"]: row for row in json.loads(out)}
    assert code == 0
    assert {name: rows[name]["state"] for name in ("textures", "headct", "parts", "broken")} == {
        "textures": "bundled",
        "headct": "absent",
        "parts": "prepared",
        "broken": "damaged",
    }
    assert rows["headct"]["test_anomalous"] == 100
    assert rows["parts"]["fingerprint"] == manifest.load(data, "parts").fingerprint
    assert "brainmri" in run("list", "--data", str(bundled))[1]


def test_a_damaged_mask_is_told_though_its_image_is_damaged_too(parts: Path) -> None:
    problems(parts)
    image, mask = parts / "nut/test/[b]dent/1.png", parts / "nut/ground_truth/[b]dent/1_mask.png"
    flip(mask)
    for damage, said in (
        (lambda p: p.write_bytes(b"x"), "cannot be read"),
        (lambda p: p.unlink(), "missing"),
    ):
        damage(image)
        told = problems(parts)
        assert [line for line in told if str(image) in line and said in line]
        assert [line for line in told if str(mask) in line and "changed" in line]
        assert not [line for line in told if "restore both" in line]
