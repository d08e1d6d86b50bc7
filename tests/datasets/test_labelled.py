"""Any folder of labelled classes under both protocols, as its dataset.yaml says."""

from __future__ import annotations

from pathlib import Path

import pytest
import raws
from sklearn.model_selection import train_test_split
from support import Bench

from gad.datasets.prepare import prepare
from gad.harness import manifest
from gad.harness.errors import DataError
from gad.harness.manifest import Prepared


def photos(root: Path, split: bool = True, classes: tuple[str, ...] = ("fine", "01", "bent_pin")) -> Path:
    for place, name in enumerate(classes):
        for number in range(8):
            inner = ("test" if number % 4 == 3 else "train") if split else ""
            raws.picture(root / inner / name / f"{number}.png", raws.noise(100 * place + number, 8, 8))
    return root


def described(root: Path, text: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.yaml").write_text(text)
    return root


def shown(prepared: Prepared, category: str, split: str) -> set[tuple[str, str]]:
    found = manifest.read_samples(prepared, category=category, split=split)
    return {(s.id, s.defect) for s in found}


def test_multi_class(tmp_path: Path) -> None:
    root = described(
        photos(tmp_path / "pins"),
        "protocol: multi-class\nnormal_classes: [fine, 01]\ncategory: good_pin\ntitle: My pins\n",
    )
    prepared = prepare(str(root), None, tmp_path / "data")
    assert (prepared.name, prepared.title, prepared.protocol) == ("pins", "My pins", "multi-class")
    (category,) = prepared.categories
    assert (category.category, category.text) == ("good_pin", "good pin")
    assert (category.train_normal, category.test_normal, category.test_anomalous) == (12, 4, 2)
    assert ("test/bent_pin/3.png", "bent_pin") in shown(prepared, "good_pin", "test")


def test_one_vs_all(tmp_path: Path) -> None:
    root = described(photos(tmp_path / "pins"), "protocol: one-vs-all\ntexts: {fine: straight pin}\n")
    prepared = prepare(str(root), None, tmp_path / "data")
    assert [(c.category, c.text) for c in prepared.categories] == [
        ("01", "01"),
        ("bent_pin", "bent pin"),
        ("fine", "straight pin"),
    ]
    assert {(c.train_normal, c.test_normal, c.test_anomalous) for c in prepared.categories} == {(6, 2, 4)}


def test_one_vs_all_for_some_classes(tmp_path: Path) -> None:
    root = described(photos(tmp_path / "pins"), "protocol: one-vs-all\nnormal_classes: [fine]\n")
    assert [c.category for c in prepare(str(root), None, tmp_path / "data").categories] == ["fine"]


def test_a_class_without_train_images_is_anomalous_everywhere(tmp_path: Path) -> None:
    root = described(photos(tmp_path / "pins"), "protocol: one-vs-all\n")
    raws.picture(root / "test/rust/0.png", raws.noise(999, 8, 8))
    prepared = prepare(str(root), None, tmp_path / "data")
    assert [c.category for c in prepared.categories] == ["01", "bent_pin", "fine"]
    assert ("test/rust/0.png", "rust") in shown(prepared, "fine", "test")


def test_without_a_split_normals_are_split_and_the_rest_is_test(tmp_path: Path) -> None:
    root = described(
        photos(tmp_path / "pins", split=False), "protocol: multi-class\nnormal_classes: [fine, 01]\n"
    )
    prepared = prepare(str(root), None, tmp_path / "data")
    normals = [f"{name}/{n}.png" for name in ("01", "fine") for n in range(8)]
    train, test = train_test_split(normals, test_size=0.25, random_state=42)
    assert shown(prepared, "normal", "train") == {(name, "") for name in train}
    anomalous = {(f"bent_pin/{n}.png", "bent_pin") for n in range(8)}
    assert shown(prepared, "normal", "test") == {(name, "") for name in test} | anomalous


def test_both_protocols_of_one_folder(tmp_path: Path) -> None:
    photos(tmp_path / "photos", split=False)
    single = described(tmp_path / "pins-one", "protocol: one-vs-all\nimages: ../photos\n")
    multi = described(
        tmp_path / "pins-multi", "protocol: multi-class\nimages: ../photos\nnormal_classes: [fine]\n"
    )
    found = [prepare(str(root), None, tmp_path / "data") for root in (single, multi)]
    assert [p.protocol for p in found] == ["one-vs-all", "multi-class"]
    assert {p.root for p in found} == {str((tmp_path / "photos").resolve())}
    assert [prepare(p.name, None, tmp_path / "data") for p in found] == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected `protocol"),
        ("[1, 2]", "expected `protocol"),
        ("protocol: [", "not YAML"),
        ("normal_classes: [fine]", "protocol is missing"),
        ("protocol: one-vs-one", "protocol is 'one-vs-one', should be 'one-vs-all' or 'multi-class'"),
        ("protocol: multi-class", "normal_classes is missing"),
        ("protocol: one-vs-all\nnormal_clases: [fine]", "Did you mean 'normal_classes'"),
        ("protocol: one-vs-all\nnormal_classes: fine", "normal_classes is 'fine', should be a list"),
        ("protocol: multi-class\nnormal_classes: [fin]", "no folder for fin. Did you mean 'fine'"),
        ("protocol: multi-class\nnormal_classes: [fine, 01, bent_pin]", "every class is normal"),
        ("protocol: one-vs-all\nimages: elsewhere", "there is no folder"),
        ("protocol: !!python/object/apply:os.system [id]", "protocol is"),
    ],
)
def test_wrong_descriptions(tmp_path: Path, text: str, words: str) -> None:
    root = described(photos(tmp_path / "pins"), text)
    with pytest.raises(DataError, match=r"dataset\.yaml") as raised:
        prepare(str(root), None, tmp_path / "data")
    assert words in raised.value.message
    assert raised.value.fix


def test_one_split_without_the_other(tmp_path: Path) -> None:
    root = described(photos(tmp_path / "pins"), "protocol: one-vs-all\n")
    (root / "test").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="has a folder train, but none for the other split"):
        prepare(str(root), None, tmp_path / "data")


def test_no_images(tmp_path: Path) -> None:
    root = described(tmp_path / "pins", "protocol: one-vs-all\n")
    with pytest.raises(DataError, match="no images in"):
        prepare(str(root), None, tmp_path / "data")


def test_a_grid_may_name_it(tmp_path: Path) -> None:
    described(photos(tmp_path / "bench/pins"), "protocol: one-vs-all\n")
    bench = Bench(tmp_path / "bench")
    grid = bench.grid("models: [pixel-knn]\ndatasets: [./pins]\nshots: [2]\nseeds: [0]\n")
    plan = bench.json("plan", "--grid", grid)
    assert (plan["jobs"], plan["new"], plan["missing"]) == (1, 3, [])
