"""Head CT: slices with and without a haemorrhage. ``labels.csv`` and ``head_ct/000.png ... 199.png``."""

from __future__ import annotations

from pathlib import Path

from gad.datasets import folder, pool, trees
from gad.harness.built import Built
from gad.harness.errors import DataError
from gad.harness.nouns import Category, DatasetInfo

LABELS = "labels.csv"
IMAGES = "head_ct"
EXPECTED = "labels.csv and head_ct/000.png, head_ct/001.png, ..."

INFO = DatasetInfo(
    name="headct",
    title="Head CT haemorrhage",
    protocol="medical",
    licence="not verified; ask the publisher before redistributing",
    citation="F. Kitamura. Head CT - hemorrhage. Kaggle, 2018.",
    source="https://www.kaggle.com/datasets/felipekitamura/head-ct-hemorrhage",
    notes=(
        "Normals, sorted by file name (which is the order of labels.csv), are split 3:1 with "
        "train_test_split(test_size=0.25, random_state=42); all haemorrhages are test. The InCTRL authors' "
        "list is in that order too, so this is their split."
    ),
    expected=(
        Category(category="headct", text="headct", train_normal=75, test_normal=25, test_anomalous=100),
    ),
    fingerprint="a689cb8914357705cb7ecf8f26a0cbb2ce996e41371c52b3e8725cd090773448",
    authors_split="the same: their list is in the order of labels.csv",
    builder="gad.datasets.headct:build",
)


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Samples of the raw folder, in place. Raises DataError when labels and images do not match."""
    places = _locate(raw) if raw else None
    if places is None:
        return folder.read_single(raw, info, EXPECTED)
    labels, images = places
    warnings: list[str] = []
    rows = _read_labels(labels)
    trees.refuse_missing((images / name for name in rows), labels)
    unlabelled = [f.name for f in trees.images(images, warnings) if f.name not in rows]
    if unlabelled:
        warnings.append(f"{images}: ignored, as {LABELS} does not list them: {trees.shortened(unlabelled)}")
    warnings += trees.zero_byte_warnings(images / name for name in rows)
    # The root is the folder around the images, so that ids are the same for either nesting.
    root = images.parent
    files = [(images / name, "hemorrhage" if rows[name] else "") for name in sorted(rows)]
    samples = pool.split(pool.images(root, files, info.name), info.name)
    return Built(samples=samples, root=root, texts={info.name: info.name}, warnings=tuple(warnings))


def _locate(raw: Path) -> tuple[Path, Path] | None:
    """The label file and the folder with the images, which some downloads nest once more."""
    for place in trees.locate(raw, lambda p: (p / LABELS).is_file() and (p / IMAGES).is_dir()):
        nested = place / IMAGES / IMAGES
        return place / LABELS, nested if nested.is_dir() else place / IMAGES
    return None


def _read_labels(path: Path) -> dict[str, int]:
    """File name -> label. The header is ``id, hemorrhage``, with that space."""
    header, *lines = trees.csv_rows(path) or [[]]
    if header != ["id", "hemorrhage"]:
        raise DataError(
            f"{path}: the header is {header}, expected ['id', 'hemorrhage']",
            fix="Restore labels.csv from the download.",
        )
    rows: dict[str, int] = {}
    for number, cells in enumerate(lines, start=2):
        if not any(cells):
            continue
        name = f"{int(cells[0]):03d}.png" if cells[0].isdecimal() and len(cells[0]) < 10 else ""
        if len(cells) != 2 or not name or cells[1] not in ("0", "1") or name in rows:
            raise DataError(
                f"{path}, line {number}: {','.join(cells)!r} is not a new number and a label 0 or 1",
                fix="Restore labels.csv from the download.",
            )
        rows[name] = int(cells[1])
    return rows
