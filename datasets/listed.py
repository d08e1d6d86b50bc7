"""Images listed in a CSV file: one row an image, paths from the file's own folder.

    path,label,split,category,mask,defect      in any order and case; only path and label are needed

``label`` is good or bad (or a word for one of them: ok, normal, 0; ng, defect, anomalous, 1). Without
``split``, or where it is empty in every row, good images are split 3:1 like those of other pools and bad
ones are test images. Cells are apart by commas, semicolons or tabs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gad.datasets import goodbad, pool, trees
from gad.datasets.progress import track
from gad.harness.built import Built
from gad.harness.errors import DataError, did_you_mean
from gad.harness.manifest import file_digest, sample_id
from gad.harness.nouns import Sample

NEEDED, OPTIONAL = ("path", "label"), ("split", "category", "mask", "defect")
GOOD, BAD = goodbad.GOOD | {"0", "false"}, goodbad.BAD | {"1", "true"}
SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Row:
    """One line of the file, checked."""

    line: int
    path: str
    anomalous: bool
    split: str
    category: str
    mask: str
    defect: str


def is_csv(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() == ".csv"


def find(raw: Path) -> Path | None:
    """The CSV file that ``raw`` is, or the one in it that has the columns. DataError when there are several."""
    if not raw.is_dir():
        return raw if is_csv(raw) else None
    there = [entry for entry in trees.entries(raw) if is_csv(entry)]
    found = [path for path in there if set(NEEDED) <= set(_header(path))]
    if len(found) > 1:
        raise DataError(
            f"{raw} holds several lists of images: {trees.shortened(path.name for path in found)}",
            fix="Give the one that is meant as --raw FILE.csv.",
        )
    if not found and len(there) == 1 and not goodbad.find(raw):
        return there[0]  # reading it will say what is wrong with it
    return found[0] if found else None


def read(path: Path, name: str) -> Built:
    """Samples of a list, in place. DataError that names the line of the first thing that is wrong."""
    rows = _rows(path, name)
    root = path.parent
    trees.refuse_missing([root / file for row in rows for file in (row.path, row.mask) if file], path)
    samples = [_sample(root, row) for row in track(rows, f"reading {name}")]
    if not any(row.split for row in rows):
        categories = dict.fromkeys(row.category for row in rows)
        # Sorted, so that the order of the lines changes nothing.
        by_id = sorted(samples, key=lambda sample: sample.id)
        samples = [s for c in categories for s in pool.split([s for s in by_id if s.category == c], c)]
    return Built(
        samples=tuple(samples),
        root=root,
        texts={row.category: row.category.replace("_", " ") for row in rows},
        warnings=tuple(trees.zero_byte_warnings({root / row.path: None for row in rows})),
    )


def _sample(root: Path, row: Row) -> Sample:
    return Sample(
        id=sample_id(row.path),
        path=row.path,
        label=1 if row.anomalous else 0,
        split="train" if row.split == "train" else "test",
        category=row.category,
        digest=file_digest(root / row.path),
        defect=row.defect,
        mask=row.mask,
        mask_digest=file_digest(root / row.mask) if row.mask else "",
    )


def _cells(path: Path) -> list[list[str]]:
    """All lines; the separator is the one that parts the header best."""
    text = trees.text_of(path)
    first = text.split("\n", 1)[0]
    return trees.csv_rows(path, max(SEPARATORS, key=first.count))


def _header(path: Path) -> list[str]:
    try:
        return [cell.lower() for cell in next(iter(_cells(path)), [])]
    except DataError:
        return []


def _rows(path: Path, name: str) -> list[Row]:
    lines = _cells(path)
    header = [cell.lower() for cell in lines[0]] if lines else []
    known = (*NEEDED, *OPTIONAL)
    if lacking := [column for column in NEEDED if column not in header]:
        raise DataError(
            f"{path}: no column {' and '.join(lacking)}; its first line is {','.join(header)!r}",
            fix=f"The first line names the columns: {', '.join(NEEDED)}, and if you like {', '.join(OPTIONAL)}.",
        )
    if wrong := [column for column in header if column not in known or header.count(column) > 1]:
        raise DataError(
            f"{path}: column {wrong[0]!r} is {'there twice' if wrong[0] in known else 'not known'}."
            + did_you_mean(wrong[0], known),
            fix=f"Remove it. The columns that are read: {', '.join(known)}.",
        )
    rows: dict[tuple[str, str], Row] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cells):
            continue
        if len(cells) > len(header):
            raise _wrong(
                path,
                number,
                f"{len(cells)} cells under {len(header)} columns",
                "Quote cells with commas in them.",
            )
        row = _row(path, number, dict(zip(header, cells, strict=False)), name)
        first = rows.setdefault((row.category, row.path), row)
        if first is not row:
            raise _wrong(
                path, number, f"{row.path} is in line {first.line} already", "Remove one of the lines."
            )
    if not rows:
        raise DataError(
            f"{path}: no images are listed", fix="Write a line for each image under the first one."
        )
    halves = {bool(row.split): row.line for row in rows.values()}
    if len(halves) == 2:
        raise _wrong(
            path,
            halves[False],
            "split is empty here, but not in other lines",
            "Fill it everywhere, or nowhere.",
        )
    return list(rows.values())


def _row(path: Path, number: int, cells: Mapping[str, str], name: str) -> Row:
    label, split = cells.get("label", "").lower(), cells.get("split", "").lower()
    if label not in GOOD | BAD:
        raise _wrong(
            path,
            number,
            f"label {cells.get('label', '')!r} is not known",
            "Write good or bad; kinds of defects go into a column defect.",
        )
    if split not in ("", "train", "test"):
        raise _wrong(
            path,
            number,
            f"split {cells['split']!r} is not known",
            "Write train or test, or leave the column away.",
        )
    anomalous = label in BAD
    if anomalous and split == "train":
        raise _wrong(
            path,
            number,
            "a bad image in the train split",
            "Detectors are shown good images alone: make it test.",
        )
    if cells.get("mask") and not anomalous:
        raise _wrong(
            path, number, "a good image with a mask", "Masks mark defects: remove it, or make the label bad."
        )
    return Row(
        line=number,
        path=_inside(path, number, cells.get("path", "")),
        anomalous=anomalous,
        split=split,
        category=cells.get("category", "") or name,
        mask=_inside(path, number, cells["mask"]) if cells.get("mask") else "",
        defect=(cells.get("defect", "") or "bad") if anomalous else "",
    )


def _inside(path: Path, number: int, cell: str) -> str:
    """A path as it is spelled (or, from Windows, with slashes), below the list's folder."""
    text = cell if (path.parent / cell).is_file() else cell.replace("\\", "/")
    place = PurePosixPath(text)
    if not cell or place.is_absolute() or ".." in place.parts or "\0" in text:
        raise _wrong(
            path,
            number,
            f"{cell!r} is not the path of an image below {path.parent}",
            "Paths start from the folder of the list.",
        )
    return place.as_posix()


def _wrong(path: Path, number: int, said: str, fix: str) -> DataError:
    return DataError(f"{path}, line {number}: {said}", fix=fix)
