"""Small raw trees as the downloads have them, made of noise; every image has a content of its own."""

from __future__ import annotations

import gzip
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, shape, dtype=np.uint8)


def picture(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def mask(width: int, height: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """All 0 but some boxes (left, top, right, bottom)."""
    made = np.zeros((height, width), np.uint8)
    for left, top, right, bottom in boxes:
        made[top:bottom, left:right] = 200
    return made


ELPV = {
    f"images/cell{n:04d}.png": (("0.0", "0.3333333333333333", "0.6666666666666666", "1.0")[n % 4])
    for n in range(1, 41)
}


def elpv(root: Path, order: list[str] | None = None) -> Path:
    lines = []
    for name in order or list(ELPV):
        number = int(name[11:15])
        picture(root / name, noise(number, 6, 6))
        lines.append(f"{name}  {ELPV[name]:<18} {'mono' if number % 8 < 4 else 'poly'}\n")
    (root / "labels.csv").write_text("".join(lines))
    return root


# Height 10: thirds of 3, 3 and 4 rows, cut at 3 and 6. The defects lie in the second, and in both the first two.
SDD = {"kos01/Part0": (), "kos01/Part1": ((2, 3, 4, 6),), "kos02/Part0": (), "kos02/Part1": ((1, 2, 2, 4),)}


def sdd(root: Path, order: list[str] | None = None) -> Path:
    for name in order or list(SDD):
        picture(root / f"{name}.jpg", noise(list(SDD).index(name), 10, 8))
        picture(root / f"{name}_label.bmp", mask(8, 10, *SDD[name]))
    return root


WIDE, NARROW = 1024, 3796 - 3072  # four squares; two whole ones and one of 212 pixels


def aitex(root: Path, nest: bool = False) -> Path:
    """Two fabrics with two strips each; defect strips with one mask, two masks, none, and an empty one."""
    normal, defect, masks = (
        root / name / name if nest else root / name
        for name in ("NODefect_images", "Defect_images", "Mask_images")
    )
    for number, name in enumerate(
        ("b-1u/0002_000_05", "b-1u/0001_000_05", "a-2u/0001_000_01", "a-2u/0003_000_01")
    ):
        picture(normal / f"{name}.png", noise(number, 256, WIDE))
    for number, (name, width) in enumerate(
        {
            "0001_002_00": WIDE,
            "0044_019_04": WIDE,
            "0100_025_08": WIDE,
            "0007_036_01": NARROW,
            "0009_999_01": WIDE,
        }.items()
    ):
        picture(
            defect / f"{name}.png", noise(10 + number, 256, width), "LA" if name == "0044_019_04" else None
        )
    picture(
        masks / "0001_002_00_mask.png", mask(WIDE, 256, (250, 10, 260, 20))
    )  # over the edge of two squares
    picture(masks / "0044_019_04_mask1.png", mask(WIDE, 256, (0, 0, 5, 5)), "LA")
    picture(masks / "0044_019_04_mask2.png", mask(WIDE, 256, (800, 0, 805, 5)), "LA")
    picture(masks / "0007_036_01_mask.png", mask(NARROW, 256, (700, 0, 705, 5)))  # in the narrow last square
    picture(masks / "0009_999_01_mask.png", mask(WIDE, 256))
    picture(masks / "0555_002_00_mask.png", mask(WIDE, 256))
    return root


def mvtec(root: Path, *categories: str, bad: str = "crack", suffix: str = ".png") -> Path:
    """Categories in MVTec layout: two images a folder, masks for the defects."""
    for place, category in enumerate(categories):
        for number in range(2):
            seed = 100 * place + number
            picture(root / category / f"train/good/{number:03d}{suffix}", noise(seed, 4, 4))
            picture(root / category / f"test/good/{number:03d}{suffix}", noise(seed + 10, 4, 4))
            picture(root / category / f"test/{bad}/{number:03d}{suffix}", noise(seed + 20, 4, 4))
            picture(root / category / f"ground_truth/{bad}/{number:03d}_mask.png", mask(4, 4, (1, 1, 3, 3)))
    return root


def visa_rows(*categories: str) -> list[list[str]]:
    rows = []
    for category in categories:
        images = f"{category}/Data/Images"
        rows += [[category, "train", "normal", f"{images}/Normal/000{n}.JPG", ""] for n in range(3)]
        rows += [[category, "test", "normal", f"{images}/Normal/0009.JPG", ""]]
        masks = f"{category}/Data/Masks/Anomaly"
        rows += [
            [category, "test", "anomaly", f"{images}/Anomaly/00{n}.JPG", f"{masks}/00{n}.png"]
            for n in range(2)
        ]
    return rows


COLUMNS = ["object", "split", "label", "image", "mask"]


def visa(root: Path, *categories: str) -> Path:
    rows = visa_rows(*categories)
    for number, row in enumerate(rows):
        picture(root / row[3], noise(number, 8, 8, 3))
        if row[4]:
            picture(root / row[4], mask(8, 8, (3, 3, 5, 5)) // 100)  # VisA marks with 1, 2, ...
    write_csv(root / "split_csv/1cls.csv", [COLUMNS, *rows])
    return root


def write_csv(path: Path, rows: list[list[str]], *, start: str = "", end: str = "\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((start + "".join(",".join(row) + end for row in rows)).encode())


# Digits of the made MNIST: each twice in train, once in test.
TRAIN_DIGITS = [n % 10 for n in range(20)]
TEST_DIGITS = [9 - n for n in range(10)]


def idx(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()
    )


def mnist(root: Path, *, packed: bool = True, dot: bool = False, folders: bool = False) -> Path:
    dash = "." if dot else "-"
    for name, labels in (("train", TRAIN_DIGITS), ("t10k", TEST_DIGITS)):
        arrays = {
            f"{name}-images{dash}idx3-ubyte": noise(len(labels), len(labels), 28, 28),
            f"{name}-labels{dash}idx1-ubyte": np.array(labels, np.uint8),
        }
        for file, array in arrays.items():
            place = root / file if folders else root
            place.mkdir(parents=True, exist_ok=True)
            content = gzip.compress(idx(array)) if packed else idx(array)
            (place / (file + ".gz" if packed else file)).write_bytes(content)
    return root


def batch(seed: int, labels: list[int]) -> dict[bytes, object]:
    return {
        b"batch_label": b"made",
        b"labels": labels,
        b"data": noise(seed, len(labels), 3072),
        b"filenames": [b"x.png"] * len(labels),
    }


BATCHES = [(f"data_batch_{n}", n) for n in range(1, 6)] + [("test_batch", 6)]


def cifar(root: Path, protocol: int = 2) -> Path:
    root.mkdir(parents=True)
    for name, seed in BATCHES:
        (root / name).write_bytes(pickle.dumps(batch(seed, list(range(10))), protocol))
    return root


def binary(root: Path) -> Path:
    root.mkdir(parents=True)
    for name, seed in BATCHES:
        rows = np.concatenate([np.arange(10, dtype=np.uint8)[:, None], noise(seed, 10, 3072)], axis=1)
        (root / f"{name}.bin").write_bytes(rows.tobytes())
    return root


def zipped(tree: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(p for p in tree.rglob("*") if p.is_file()):
            packed.write(file, file.relative_to(tree))
    return path


def taped(tree: Path, path: Path, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tape:  # type: ignore[call-overload]
        tape.add(tree, arcname=".")
    return path


def medical(root: Path, *names: str) -> Path:
    for name in names:
        for number in range(8):
            picture(root / name / f"{number:03d}.png", noise(number, 4, 4))
    return root


def headct(root: Path) -> Path:
    medical(root, "head_ct")
    (root / "labels.csv").write_text("id, hemorrhage\n" + "".join(f"{n},{n % 2}\n" for n in range(8)))
    return root


TREES: dict[str, Callable[[Path], Path]] = {
    "mvtec": lambda root: mvtec(root, "wood", "tile"),
    "visa": lambda root: visa(root, "candle", "pcb1"),
    "aitex": aitex,
    "elpv": elpv,
    "sdd": sdd,
    "brainmri": lambda root: medical(root, "no", "yes"),
    "headct": headct,
    "mnist-one-vs-all": mnist,
    "mnist-multi-class": mnist,
    "cifar10-one-vs-all": cifar,
    "cifar10-multi-class": cifar,
}
