"""Brain MRI: slices with (``yes/``) and without (``no/``) a tumour, of mixed sizes, modes and suffixes."""

from __future__ import annotations

from pathlib import Path

from gad.datasets import trees
from gad.datasets.medical import medical_sample, split_normals, wrong_folder
from gad.harness.built import Built
from gad.harness.nouns import Category, DatasetInfo

EXPECTED = "no/ and yes/ with images"

INFO = DatasetInfo(
    name="brainmri",
    title="Brain MRI tumour",
    protocol="medical",
    licence="not verified; ask the publisher before redistributing",
    citation="N. Chakrabarty. Brain MRI Images for Brain Tumor Detection. Kaggle, 2019.",
    source="https://www.kaggle.com/datasets/navoneel/brain-mri-images-for-brain-tumor-detection",
    notes=(
        "Normals, sorted by file name, are split 3:1 with train_test_split(test_size=0.25, random_state=42); "
        "all tumours are test. The InCTRL authors split an unsorted directory listing, so their split cannot "
        "be had: the counts are theirs, the images in each part are not."
    ),
    expected=(
        Category(category="brainmri", text="brainmri", train_normal=73, test_normal=25, test_anomalous=155),
    ),
    builder="gad.datasets.brainmri:build",
)


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Samples of the raw folder, in place. Raises DataError when it has no ``no/`` and ``yes/``."""
    root = _locate(raw)
    warnings: list[str] = []
    normal = {file.name: file for file in trees.images(root / "no", warnings)}
    tumours = trees.images(root / "yes", warnings)
    if not normal or not tumours:
        raise wrong_folder(info.name, root, EXPECTED)
    warnings += trees.zero_byte_warnings([*normal.values(), *tumours])
    train, test = split_normals(list(normal), info.name)  # trees.images sorts by name
    samples = [medical_sample(root, normal[name], info.name, "train") for name in train]
    samples += [medical_sample(root, normal[name], info.name, "test") for name in test]
    samples += [medical_sample(root, file, info.name, "test", defect="tumor") for file in tumours]
    return Built(samples=tuple(samples), root=root, texts={info.name: info.name}, warnings=tuple(warnings))


def _locate(raw: Path | None) -> Path:
    """The folder with ``no/`` and ``yes/``: the given one, or the only one in it that has both."""
    if raw is None or not raw.is_dir():
        raise wrong_folder(INFO.name, raw, EXPECTED)
    for place in (raw, *trees.folders(raw)):
        if (place / "no").is_dir() and (place / "yes").is_dir():
            return place
    raise wrong_folder(INFO.name, raw, EXPECTED)
