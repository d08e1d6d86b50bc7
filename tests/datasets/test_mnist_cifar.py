"""MNIST and CIFAR-10 under both protocols, from files and from folders; the real ones where $GAD_REALDATA has them."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import raws

from gad.datasets import check
from gad.datasets.cifar10 import CLASSES
from gad.datasets.expected import VERIFIED, official
from gad.datasets.prepare import prepare
from gad.harness import manifest
from gad.harness.errors import DataError
from gad.harness.images import open_image
from gad.harness.manifest import Prepared


def real(name: str) -> Path:
    home = os.environ.get("GAD_REALDATA", "")
    if not home or not (Path(home) / name).is_dir():
        pytest.skip(f"GAD_REALDATA names no folder with {name}")
    return Path(home) / name


def shown(prepared: Prepared, category: str, split: str) -> list[tuple[str, int, str]]:
    found = manifest.read_samples(prepared, category=category, split=split)
    return [(s.id, s.label, s.defect) for s in found]


def test_mnist_one_vs_all(tmp_path: Path) -> None:
    prepared = prepare("mnist-one-vs-all", raws.mnist(tmp_path / "raw"), tmp_path / "data")
    assert [(c.category, c.text) for c in prepared.categories] == [(str(d), f"digit {d}") for d in range(10)]
    assert shown(prepared, "3", "train") == [(f"train-images-idx3-ubyte#{n:05d}", 0, "") for n in (3, 13)]
    assert shown(prepared, "3", "test") == [
        (f"t10k-images-idx3-ubyte#{n:05d}", int(9 - n != 3), "" if 9 - n == 3 else f"digit {9 - n}")
        for n in range(10)
    ]


def test_mnist_multi_class(tmp_path: Path) -> None:
    prepared = prepare("mnist-multi-class", raws.mnist(tmp_path / "raw"), tmp_path / "data")
    assert [(c.category, c.text) for c in prepared.categories] == [("even", "even digit")]
    assert len(shown(prepared, "even", "train")) == 10
    assert [label for _, label, _ in shown(prepared, "even", "test")] == [(9 - n) % 2 for n in range(10)]


def test_mnist_pixels_are_the_files_and_there_once(tmp_path: Path) -> None:
    prepared = prepare("mnist-one-vs-all", raws.mnist(tmp_path / "raw"), tmp_path / "data")
    for split, count in (("train", 20), ("test", 10)):
        pixels = raws.noise(count, count, 28, 28)
        for sample in manifest.read_samples(prepared, split=split):
            number = int(sample.id.rpartition("#")[2])
            assert np.array_equal(np.asarray(open_image(prepared.root_path, sample)), pixels[number])
    made = sorted(file.name for file in prepared.root_path.glob("*.npy"))
    assert made == ["test.npy", "train.npy"]
    assert (prepared.root_path / "train.npy").stat().st_size < 20 * 28 * 28 + 200
    assert not [p for p in check.check(prepared, tmp_path / "data", full=True) if check.is_error(p)]


@pytest.mark.parametrize(
    ("packed", "dot", "folders", "place"),
    [
        (False, False, False, "raw"),
        (True, True, False, "raw"),
        (False, True, True, "raw"),
        (True, False, False, "raw/MNIST/raw"),
    ],
)
def test_mnist_variants_are_the_same_dataset(
    tmp_path: Path, packed: bool, dot: bool, folders: bool, place: str
) -> None:
    plain = prepare("mnist-multi-class", raws.mnist(tmp_path / "plain"), tmp_path / "data")
    raws.mnist(tmp_path / place, packed=packed, dot=dot, folders=folders)
    again = prepare("mnist-multi-class", tmp_path / "raw", tmp_path / "data2")
    assert again.fingerprint == plain.fingerprint


def test_mnist_packed_and_not_side_by_side(tmp_path: Path) -> None:
    raw = raws.mnist(raws.mnist(tmp_path / "raw"), packed=False)
    assert prepare("mnist-multi-class", raw, tmp_path / "data").categories[0].train_normal == 10


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "does not start as an idx file"),
        (b"\x00\x00\x08\x03" + b"\x00" * 5, "does not start|has 9 bytes"),
        (gzip.compress(raws.idx(raws.noise(0, 20, 28, 28)))[:-900], "damaged"),
        (raws.idx(raws.noise(0, 20, 28, 28))[:-1], "bytes"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, "bytes"),
        (raws.idx(raws.noise(0, 19, 28, 28)), "20 labels up to 9, .* 19 images"),
    ],
)
def test_mnist_damage_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    raw = raws.mnist(tmp_path / "raw")
    (raw / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz.*") as raised:
        prepare("mnist-one-vs-all", raw, tmp_path / "data")
    assert raised.match(words)
    assert os.listdir(tmp_path / "data") == [".mnist-one-vs-all.lock"]


def test_mnist_labels_beyond_nine(tmp_path: Path) -> None:
    raw = raws.mnist(tmp_path / "raw")
    (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(raws.idx(np.full(10, 10, np.uint8)))
    with pytest.raises(DataError, match="labels up to 10"):
        prepare("mnist-one-vs-all", raw, tmp_path / "data")


def folders(root: Path, classes: tuple[str, ...], splits: tuple[str, str] = ("train", "test")) -> Path:
    for place, (split, count) in enumerate(zip(splits, (3, 2), strict=True)):
        for number, name in enumerate(classes):
            for image in range(count):
                seed = 1000 * place + 10 * number + image
                raws.picture(root / split / name / f"{image:04d}.png", raws.noise(seed, 8, 8))
    return root


@pytest.mark.parametrize("splits", [("train", "test"), ("training", "Testing")])
def test_mnist_folders(tmp_path: Path, splits: tuple[str, str]) -> None:
    raw = folders(tmp_path / "raw/mnist_png", tuple("0123456789"), splits).parent
    prepared = prepare("mnist-one-vs-all", raw, tmp_path / "data")
    assert {(c.train_normal, c.test_normal, c.test_anomalous) for c in prepared.categories} == {(3, 2, 18)}
    assert prepared.root == str((raw / "mnist_png").resolve())
    assert not list((tmp_path / "data/mnist-one-vs-all").glob("*.npy"))


def test_cifar10_one_vs_all(tmp_path: Path) -> None:
    raw = raws.cifar(tmp_path / "raw/cifar-10-batches-py").parent
    prepared = prepare("cifar10-one-vs-all", raw, tmp_path / "data")
    assert [(c.category, c.text) for c in prepared.categories] == [(name, name) for name in CLASSES]
    assert shown(prepared, "cat", "train") == [(f"data_batch_{n}#0003", 0, "") for n in range(1, 6)]
    assert shown(prepared, "cat", "test") == [
        (f"test_batch#{n:04d}", int(n != 3), "" if n == 3 else CLASSES[n]) for n in range(10)
    ]
    sample = manifest.read_samples(prepared, category="cat", split="train")[1]
    stored = raws.noise(2, 10, 3072)[3]
    pixels = np.asarray(open_image(prepared.root_path, sample))
    assert pixels.shape == (32, 32, 3)
    for colour in range(3):  # stored colour by colour
        assert np.array_equal(pixels[..., colour].ravel(), stored[1024 * colour : 1024 * (colour + 1)])


def test_cifar10_multi_class(tmp_path: Path) -> None:
    prepared = prepare("cifar10-multi-class", raws.cifar(tmp_path / "raw"), tmp_path / "data")
    assert [(c.category, c.text) for c in prepared.categories] == [("animal", "animal")]
    normal = {CLASSES[n] for n, (_, label, _) in enumerate(shown(prepared, "animal", "test")) if not label}
    assert normal == {"bird", "cat", "deer", "dog", "frog", "horse"}
    assert len(shown(prepared, "animal", "train")) == 5 * 6


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, "binary"])
def test_cifar10_batches_of_any_kind_are_the_same(tmp_path: Path, protocol: int | str) -> None:
    plain = prepare("cifar10-multi-class", raws.cifar(tmp_path / "plain"), tmp_path / "data")
    raw = tmp_path / "raw"
    made = raws.binary(raw) if isinstance(protocol, str) else raws.cifar(raw, protocol)
    assert prepare("cifar10-multi-class", made, tmp_path / "data2").fingerprint == plain.fingerprint


def test_cifar10_incomplete_batches(tmp_path: Path) -> None:
    raw = raws.cifar(tmp_path / "raw")
    (raw / "data_batch_4").unlink()
    with pytest.raises(DataError, match="has no data_batch_4: only data_batch_1"):
        prepare("cifar10-one-vs-all", raw, tmp_path / "data")


def test_cifar10_folders_with_some_classes(tmp_path: Path) -> None:
    raw = folders(tmp_path / "raw", ("cat", "Dog", "unicorn"))
    prepared = prepare("cifar10-one-vs-all", raw, tmp_path / "data")
    assert [c.category for c in prepared.categories] == ["cat", "dog"]
    told = "\n".join(prepared.warnings)
    assert "unicorn: ignored" in told
    assert "only 2 of 10 categories are there" in told


@pytest.mark.parametrize("protocol", ["one-vs-all", "multi-class"])
def test_the_real_mnist_is_verified(tmp_path: Path, protocol: str) -> None:
    prepared = prepare(f"mnist-{protocol}", real("mnist"), tmp_path / "data")
    assert prepared.warnings == ()
    assert official(prepared) == VERIFIED


def test_the_real_cifar10_samples(tmp_path: Path) -> None:
    prepared = prepare("cifar10-one-vs-all", real("samples/cifar10"), tmp_path / "data")
    assert {(c.train_normal, c.test_normal, c.test_anomalous) for c in prepared.categories} == {(12, 6, 54)}
    both = prepare("cifar10-multi-class", real("samples/cifar10"), tmp_path / "data")
    assert [(c.train_normal, c.test_normal, c.test_anomalous) for c in both.categories] == [(72, 36, 24)]
    assert not [p for p in check.check(both, tmp_path / "data", full=True) if check.is_error(p)]
