"""ELPV: solar cells in electroluminescence images, each with a probability of being defective."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from gad.datasets import folder, pool, trees
from gad.harness.built import Built
from gad.harness.errors import DataError
from gad.harness.nouns import Category, DatasetInfo

LABELS = "labels.csv"
KINDS = ("mono", "poly")
EXPECTED = "labels.csv (path, probability, mono or poly) and images/"

INFO = DatasetInfo(
    name="elpv",
    title="ELPV solar cells",
    protocol="industrial",
    licence="CC BY-NC-SA 4.0",
    citation="S. Deitsch et al. Automatic classification of defective photovoltaic module cells in "
    "electroluminescence images. Solar Energy 185, 2019. C. Buerhop-Lutz et al. A Benchmark for Visual "
    "Identification of Defective Solar Cells in Electroluminescence Imagery. EU PVSEC 2018.",
    source="https://github.com/zae-bayern/elpv-dataset",
    notes="Cells of probability 0 are normal, those of 1 anomalous; 1/3 and 2/3 are left out. Normals, sorted "
    "by file name (which is the order of labels.csv), are split 3:1 with train_test_split(test_size=0.25, "
    "random_state=42). The InCTRL authors' list is in that order too, so this is their split.",
    expected=(
        Category(category="elpv", text="elpv", train_normal=1131, test_normal=377, test_anomalous=715),
    ),
    authors_split="the same: their list is in the order of labels.csv",
    builder="gad.datasets.elpv:build",
)


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Samples of the raw folder, in place. Raises DataError when labels and images do not match."""
    found = trees.locate(raw, _holds, depth=4) if raw else []  # src/elpv_dataset/data in the repository
    if not found:
        return folder.read_single(raw, info, EXPECTED)
    root = found[0]
    rows = _read_labels(root / LABELS)
    trees.refuse_missing((root / path for path in rows), root / LABELS)
    warnings = trees.zero_byte_warnings(root / path for path in rows)
    files = [
        (root / path, kind if probability == 1 else "")
        for path, (probability, kind) in sorted(rows.items())
        if probability in (0, 1)
    ]
    samples = pool.split(pool.images(root, files, info.name), info.name)
    return Built(samples=samples, root=root, texts={info.name: info.name}, warnings=tuple(warnings))


def _holds(place: Path) -> bool:
    return (place / LABELS).is_file() and (place / "images").is_dir()


def _read_labels(path: Path) -> dict[str, tuple[float, str]]:
    """Image path -> probability (0, 1/3, 2/3 or 1) and kind of cell. Columns are apart by spaces, or by commas."""
    rows: dict[str, tuple[float, str]] = {}
    for number, line in enumerate(trees.text_of(path).splitlines(), start=1):
        cells = line.replace(",", " ").split()
        if not cells:
            continue
        probability = _probability(cells[1]) if len(cells) == 3 else None
        name = PurePosixPath(cells[0])
        inside = not name.is_absolute() and ".." not in name.parts
        if probability is None or cells[2] not in KINDS or not inside or cells[0] in rows:
            raise DataError(
                f"{path}, line {number}: {line.strip()!r} is not a new image, a probability of 0, 1/3, 2/3 or 1, "
                f"and {' or '.join(KINDS)}",
                fix="Restore labels.csv from the download.",
            )
        rows[cells[0]] = (probability, cells[2])
    return rows


def _probability(text: str) -> float | None:
    """The one of 0, 1/3, 2/3 and 1 that a number is, however many digits it has."""
    try:
        value = float(text)
    except ValueError:
        return None
    return next((level for level in (0, 1 / 3, 2 / 3, 1) if abs(value - level) < 0.01), None)
