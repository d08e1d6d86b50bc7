"""Head CT: slices with and without a haemorrhage. ``labels.csv`` and ``head_ct/000.png ... 199.png``."""

from __future__ import annotations

from pathlib import Path

from gad.datasets import trees
from gad.datasets.medical import medical_sample, split_normals, wrong_folder
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
        "Normals, in the order of labels.csv, are split 3:1 with train_test_split(test_size=0.25, "
        "random_state=42); all haemorrhages are test. The InCTRL authors' list is in that order too, so this "
        "is their split."
    ),
    expected=(
        Category(category="headct", text="headct", train_normal=75, test_normal=25, test_anomalous=100),
    ),
    builder="gad.datasets.headct:build",
)


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Samples of the raw folder, in place. Raises DataError when labels and images do not match."""
    labels, folder = _locate(raw)
    warnings: list[str] = []
    rows = _read_labels(labels)
    _refuse_missing(rows, folder, labels)
    unlabelled = [f.name for f in trees.images(folder, warnings) if f.name not in rows]
    if unlabelled:
        warnings.append(f"{folder}: ignored, as {LABELS} does not list them: {trees.shortened(unlabelled)}")
    warnings += trees.zero_byte_warnings(folder / name for name in rows)
    train, test = split_normals([name for name, label in rows.items() if label == 0], info.name)
    # The root is the folder around the images, so that ids are the same for either nesting.
    root = folder.parent
    samples = [medical_sample(root, folder / name, info.name, "train") for name in train]
    samples += [medical_sample(root, folder / name, info.name, "test") for name in test]
    samples += [
        medical_sample(root, folder / name, info.name, "test", defect="hemorrhage")
        for name, label in rows.items()
        if label == 1
    ]
    return Built(samples=tuple(samples), root=root, texts={info.name: info.name}, warnings=tuple(warnings))


def _locate(raw: Path | None) -> tuple[Path, Path]:
    """The label file and the folder with the images, which some downloads nest once more."""
    if raw is None or not raw.is_dir():
        raise wrong_folder(INFO.name, raw, EXPECTED)
    nested = trees.folders(raw)
    for place in (raw, *(nested if len(nested) == 1 else [])):
        if (place / LABELS).is_file():
            for folder in (place / IMAGES / IMAGES, place / IMAGES):
                if folder.is_dir():
                    return place / LABELS, folder
    raise wrong_folder(INFO.name, raw, EXPECTED)


def _read_labels(path: Path) -> dict[str, int]:
    """File name -> label, in the file's order. The header is ``id, hemorrhage``, with that space."""
    import csv
    import io

    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read as UTF-8 text: {error}", fix="Restore labels.csv from the download."
        ) from error
    rows: dict[str, int] = {}
    with io.StringIO(text, newline="") as handle:
        reader = csv.reader(handle, skipinitialspace=True)
        header = [cell.strip() for cell in next(reader, [])]
        if header != ["id", "hemorrhage"]:
            raise DataError(
                f"{path}: the header is {header}, expected ['id', 'hemorrhage']",
                fix="Restore labels.csv from the download.",
            )
        for number, cells in enumerate(reader, start=2):
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            name = f"{int(cells[0]):03d}.png" if cells[0].isdecimal() else ""
            if len(cells) != 2 or not name or cells[1] not in ("0", "1") or name in rows:
                raise DataError(
                    f"{path}, line {number}: {','.join(cells)!r} is not a new number and a label 0 or 1",
                    fix="Restore labels.csv from the download.",
                )
            rows[name] = int(cells[1])
    return rows


def _refuse_missing(rows: dict[str, int], folder: Path, labels: Path) -> None:
    missing = [name for name in rows if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{labels} lists {len(rows)} images, {len(missing)} of them are not in {folder}: "
            f"{trees.shortened(missing)}",
            fix="Unpack the download again: without them the split would be another one.",
        )
