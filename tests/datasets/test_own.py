"""Images of one's own: two folders, a list, an archive; under a name; with errors for newcomers."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import raws
from hypothesis import given, settings
from hypothesis import strategies as st
from raws import zipped
from sklearn.model_selection import train_test_split
from support import Bench
from typer.testing import CliRunner

from gad.datasets.prepare import again, by_name, prepare_own
from gad.harness import manifest, prompts
from gad.harness.cli.data import app
from gad.harness.errors import DataError, UsageError
from gad.harness.manifest import Prepared


def photos(root: Path, good: str = "good", bad: str = "bad") -> Path:
    for number in range(8):
        raws.picture(root / good / f"g{number}.png", raws.noise(number, 5, 6))
    for number in range(3):
        raws.picture(root / bad / f"b{number}.JPG", raws.noise(20 + number, 5, 6))
    return root


def own(raw: Path, name: str = "parts") -> Prepared:
    return prepare_own(name, raw, raw.parent / "data")


def counts(prepared: Prepared) -> dict[str, tuple[int, int, int]]:
    return {c.category: (c.train_normal, c.test_normal, c.test_anomalous) for c in prepared.categories}


@pytest.mark.parametrize(("good", "bad"), [("good", "bad"), ("OK", "NG"), ("Normal", "defective")])
def test_two_folders(tmp_path: Path, good: str, bad: str) -> None:
    prepared = own(photos(tmp_path / "raw", good, bad))
    assert counts(prepared) == {"parts": (6, 2, 3)}
    names = [f"{good}/g{n}.png" for n in range(8)]
    train, _ = train_test_split(names, test_size=0.25, random_state=42)
    found = manifest.read_samples(prepared)
    assert {s.id for s in found if s.split == "train"} == set(train)
    assert {s.defect for s in found if s.label} == {bad}


def test_pairs_for_categories_and_kinds_of_defects(tmp_path: Path) -> None:
    photos(tmp_path / "raw/left_nut")
    raws.picture(tmp_path / "raw/left_nut/bad/scratch/1.png", raws.noise(99, 5, 6))
    photos(tmp_path / "raw/bolt")
    prepared = own(tmp_path / "raw")
    assert counts(prepared) == {"bolt": (6, 2, 3), "left_nut": (6, 2, 4)}
    assert prepared.category("left_nut").text == "left nut"
    kinds = Counter(s.defect for s in manifest.read_samples(prepared, category="left_nut", label=1))
    assert kinds == {"bad": 3, "scratch": 1}


def listed(
    root: Path, lines: list[str], header: str = "path,label", end: str = "\n", start: str = ""
) -> Path:
    photos(root)
    (root / "parts.csv").write_bytes((start + "".join(line + end for line in [header, *lines])).encode())
    return root


LINES = [*(f"good/g{n}.png,good" for n in range(8)), *(f"bad/b{n}.JPG,bad" for n in range(3))]


def test_a_list_is_like_the_folders(tmp_path: Path) -> None:
    """Also when its file is named, has a byte order mark and lines of Windows, and columns the other way round."""
    first = own(listed(tmp_path / "a", LINES))
    assert counts(first) == {"parts": (6, 2, 3)}
    other = [",".join(reversed(line.replace("/", "\\").split(","))) for line in LINES]
    second = own(listed(tmp_path / "b", other, "Label,PATH", "\r\n", "\ufeff") / "parts.csv")
    assert second.fingerprint == first.fingerprint
    third = own(listed(tmp_path / "c", [line.replace(",", ";") for line in LINES], "path;label"))
    assert third.fingerprint == first.fingerprint


def test_a_list_may_say_everything(tmp_path: Path) -> None:
    root = listed(
        tmp_path / "raw",
        [f"good/g{n}.png,OK,{'train' if n < 5 else 'TEST'},nut,," for n in range(8)]
        + ["bad/b0.JPG,1,test,nut,masks/b0.png,dent", "bad/b1.JPG,ng,test,nut,,"],
        "path,label,split,category,mask,defect",
    )
    raws.picture(root / "masks/b0.png", raws.mask(6, 5, (1, 1, 2, 2)))
    prepared = own(root)
    assert counts(prepared) == {"nut": (5, 3, 2)}
    bad = {s.id: (s.mask, s.defect) for s in manifest.read_samples(prepared, label=1)}
    assert bad == {"bad/b0.JPG": ("masks/b0.png", "dent"), "bad/b1.JPG": ("", "bad")}


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_a_list_changes_neither_split_nor_prompts(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    found = []
    for lines in (LINES, random.Random(seed).sample(LINES, len(LINES))):
        prepared = own(listed(tmp_path_factory.mktemp("order") / "raw", lines))
        train = manifest.read_samples(prepared, split="train")
        random.Random(seed).shuffle(train)
        found.append((prepared.fingerprint, prompts.draw("parts", "parts", seed % 7, train, 4).samples))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("header", "line", "words"),
    [
        ("file,label", "", "no column path; its first line is 'file,label'"),
        ("path,label,colour", "", "column 'colour' is not known"),
        ("path,label,splt", "", "Did you mean 'split'"),
        ("path,label,label", "", "column 'label' is there twice"),
        ("path,label", "good/g0.png,great", "line 2: label 'great' is not known"),
        ("path,label", "../secret.png,good", "line 2: '../secret.png' is not the path of an image below"),
        ("path,label", "/etc/passwd,good", "line 2: '/etc/passwd' is not the path"),
        ("path,label", ",good", "line 2: '' is not the path"),
        ("label,path", "good", "line 2: '' is not the path"),
        ("path,label", "nowhere.png,good", r"lists images that are not there \(1\).*nowhere\.png"),
        ("path,label", "good/g0.png,good,more", "line 2: 3 cells under 2 columns"),
        ("path,label,split", "good/g0.png,good,dev", "line 2: split 'dev' is not known"),
        ("path,label,split", "bad/b0.JPG,bad,train", "line 2: a bad image in the train split"),
        ("path,label,split", "good/g0.png,good,train\ngood/g1.png,good,", "line 3: split is empty here"),
        ("path,label,mask", "good/g0.png,good,bad/b0.JPG", "line 2: a good image with a mask"),
        ("path,label", "good/g0.png,good\n\ngood/g0.png,good", r"line 4: good/g0\.png is in line 2 already"),
        ("path,label", "", "no images are listed"),
    ],
)  # fmt: skip
def test_wrong_lists(tmp_path: Path, header: str, line: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as raised:
        own(listed(tmp_path / "raw", [line], header) / "parts.csv")
    assert "parts.csv" in raised.value.message
    assert raised.value.fix
    assert not (tmp_path / "data/parts").exists()


def test_several_lists(tmp_path: Path) -> None:
    root = listed(tmp_path / "raw", LINES)
    (root / "other.csv").write_text("something,else\n1,2\n")
    assert counts(own(root)) == {"parts": (6, 2, 3)}
    (root / "third.csv").write_text("path,label\n")
    with pytest.raises(DataError, match=r"several lists of images: parts\.csv, third\.csv"):
        own(root)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda r: raws.picture(r / "1.png", raws.noise(1, 4, 4)), "cannot tell good from bad images in"),
        (lambda r: photos(r, bad="more"), "has no folder of bad images: it holds good/, more/"),
        (lambda r: photos(r, good="x"), "has no folder of good images"),
        (lambda r: (photos(r), (r / "ok").mkdir()), "several folders of good images: good, ok"),
        (
            lambda r: (photos(r / "a"), (r / "bad").mkdir(), (r / "good").mkdir()),
            "no images in .*good: it is empty",
        ),
        (
            lambda r: (photos(r / "line1/nut"), photos(r / "line2/nut")),
            "several categories would be called 'nut': .*line1/nut, .*line2/nut",
        ),
    ],
)
def test_errors_for_somebody_new(tmp_path: Path, make: object, words: str) -> None:
    make(tmp_path / "raw")  # type: ignore[operator]
    with pytest.raises(DataError, match=words) as raised:
        own(tmp_path / "raw")
    assert "good" in raised.value.fix or "images" in raised.value.fix


@pytest.mark.parametrize("name", [".hidden", "a/b", "headct", "new\nline"])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"cannot name a dataset|in the catalog already") as raised:
        own(photos(tmp_path / "raw"), name)
    assert "--name" in raised.value.fix


def test_an_archive_under_a_name(tmp_path: Path) -> None:
    packed = zipped(photos(tmp_path / "tree/photos").parent, tmp_path / "photos.zip")
    first = own(packed)
    assert counts(first) == {"parts": (6, 2, 3)}
    assert again("parts", tmp_path / "data") == first
    (tmp_path / "tree/dataset.yaml").write_text("protocol: one-vs-all\n")
    with pytest.raises(DataError, match="not read out of an archive"):
        own(zipped(tmp_path / "tree", tmp_path / "described.zip"), "other")


def test_a_new_photo_is_noticed(tmp_path: Path) -> None:
    root = photos(tmp_path / "raw")
    first = own(root)
    assert by_name("parts", tmp_path / "data") == first
    raws.picture(root / "bad/b9.png", raws.noise(77, 5, 6))
    assert counts(by_name("parts", tmp_path / "data")) == {"parts": (6, 2, 4)}


def test_the_command(tmp_path: Path) -> None:
    photos(tmp_path / "raw")
    data = ["--data", str(tmp_path / "data")]
    runner = CliRunner()
    made = runner.invoke(app, ["prepare", "folder", "--raw", str(tmp_path / "raw"), "--name", "parts", *data])
    assert made.exit_code == 0
    assert "parts" in made.stdout
    assert runner.invoke(app, ["check", "parts", *data]).exit_code == 0
    for arguments, words in (
        (["folder"], "needs to know which folder"),
        (["headct", "--raw", str(tmp_path), "--name", "x"], "--name is for images of your own"),
    ):
        bad = runner.invoke(app, ["prepare", *arguments, *data])
        assert isinstance(bad.exception, UsageError)
        assert words in bad.exception.message


def test_a_grid_may_name_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "bench")
    prepare_own("parts", photos(tmp_path / "raw"), bench.data)
    grid = bench.grid("models: [pixel-knn]\ndatasets: [parts]\nshots: [2]\nseeds: [0]\n")
    assert bench.json("plan", "--grid", grid)["new"] == 1
