"""VisA: twelve objects with masks, split by the publisher's ``split_csv/1cls.csv``."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from gad.datasets import folder, trees
from gad.datasets.looks import wrong_folder
from gad.datasets.progress import track
from gad.harness.built import Built
from gad.harness.errors import DataError
from gad.harness.manifest import file_digest, sample_id
from gad.harness.nouns import DatasetInfo, Sample

SPLIT = "split_csv/1cls.csv"
COLUMNS = ("object", "split", "label", "image", "mask")
EXPECTED = f"{SPLIT} and candle/Data/Images, candle/Data/Masks, capsules/..."
RESTORE = "Restore it from the download, or from https://github.com/amazon-science/spot-diff."

# Normal train, normal test and anomalous test images of 1cls.csv.
_COUNTS = {
    "candle": (900, 100, 100),
    "capsules": (542, 60, 100),
    "cashew": (450, 50, 100),
    "chewinggum": (453, 50, 100),
    "fryum": (450, 50, 100),
    "macaroni1": (900, 100, 100),
    "macaroni2": (900, 100, 100),
    "pcb1": (904, 100, 100),
    "pcb2": (901, 100, 100),
    "pcb3": (905, 101, 100),
    "pcb4": (904, 101, 100),
    "pipe_fryum": (450, 50, 100),
}

INFO = DatasetInfo(
    name="visa",
    title="VisA",
    protocol="industrial",
    licence="CC BY 4.0",
    citation="Y. Zou, J. Jeong, L. Pemula, D. Zhang, O. Dabeer. SPot-the-Difference Self-Supervised "
    "Pre-training for Anomaly Detection and Segmentation. ECCV 2022.",
    source="https://github.com/amazon-science/spot-diff",
    notes="The publisher's one-class split (split_csv/1cls.csv), which the InCTRL authors use too.",
    expected=folder.expected(_COUNTS),
    authors_split="the same: the publisher's (1cls.csv)",
    builder="gad.datasets.visa:build",
)


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Samples of the categories that are there, in place. Raises DataError when the split and files do not match."""
    found = trees.locate(raw, lambda place: (place / SPLIT).is_file()) if raw else []
    if not found:
        return _converted(raw, info)
    root = found[0]
    warnings: list[str] = []
    rows = _rows(root / SPLIT)
    there = [name for name in dict.fromkeys(row["object"] for row in rows) if (root / name).is_dir()]
    if not there:
        raise wrong_folder(info.name, root, EXPECTED)
    rows = [row for row in rows if row["object"] in there]
    files = [root / row[column] for row in rows for column in ("image", "mask") if row[column]]
    trees.refuse_missing(files, root / SPLIT)
    warnings += trees.zero_byte_warnings(files)
    return Built(
        samples=tuple(_sample(root, row) for row in track(rows, f"reading {info.name}")),
        root=root,
        texts={name: name.replace("_", " ") for name in there},
        warnings=tuple(warnings),
    )


def _sample(root: Path, row: dict[str, str]) -> Sample:
    return Sample(
        id=sample_id(row["image"]),
        path=row["image"],
        label=0 if row["label"] == "normal" else 1,
        split="train" if row["split"] == "train" else "test",
        category=row["object"],
        digest=file_digest(root / row["image"]),
        defect="" if row["label"] == "normal" else row["label"],
        mask=row["mask"],
        mask_digest=file_digest(root / row["mask"]) if row["mask"] else "",
    )


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of the split file. Columns may come in any order; DataError for a row that makes no sense."""
    header, *lines = trees.csv_rows(path) or [[]]
    if sorted(header) != sorted(COLUMNS):
        raise DataError(f"{path}: the header is {header}, expected {list(COLUMNS)}", fix=RESTORE)
    rows: list[dict[str, str]] = []
    for number, cells in enumerate(lines, start=2):
        if not any(cells):
            continue
        row = dict(zip(header, cells, strict=False))
        if len(cells) != len(header) or not _makes_sense(row):
            raise DataError(
                f"{path}, line {number}: {','.join(cells)!r} is not an object, train or test, normal or anomaly "
                "(test only), an image and its mask",
                fix=RESTORE,
            )
        rows.append(row)
    return rows


def _makes_sense(row: dict[str, str]) -> bool:
    paths = [PurePosixPath(row[name]) for name in ("object", "image", "mask")]
    inside = all(not path.is_absolute() and ".." not in path.parts for path in paths)
    known = (row["split"], row["label"]) in (("train", "normal"), ("test", "normal"), ("test", "anomaly"))
    return inside and known and bool(row["object"]) and bool(row["image"])


def _converted(raw: Path | None, info: DatasetInfo) -> Built:
    """VisA as `prepare_data.py` of its publisher, or InCTRL's converter, rearranges it: MVTec layout."""
    found = trees.locate(raw, lambda p: any(_is_category(i) for i in trees.folders(p))) if raw else []
    if not found:
        raise wrong_folder(info.name, raw, EXPECTED)
    built = folder.read_categories(found[0], list(_COUNTS))
    said = folder.CONVERTED.format(folder=found[0])
    return built.model_copy(update={"warnings": (said, *built.warnings)})


def _is_category(place: Path) -> bool:
    return place.name in _COUNTS and (place / "train/good").is_dir() and (place / "test").is_dir()
