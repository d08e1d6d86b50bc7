"""Brain MRI: slices with (``yes/``) and without (``no/``) a tumour, of mixed sizes, modes and suffixes."""

from __future__ import annotations

from pathlib import Path

from gad.datasets import folder, pool, trees
from gad.datasets.looks import wrong_folder
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
    fingerprint="c4a193370bcef591a8589d5ce471a7b830c6f6306b179cb93dc21bb37e6ab1ac",
    authors_split="cannot be had: it followed an unsorted directory listing; the counts are the same",
    builder="gad.datasets.brainmri:build",
)


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Samples of the raw folder, in place. Raises DataError when it has no ``no/`` and ``yes/`` with images."""
    found = trees.locate(raw, lambda p: (p / "no").is_dir() and (p / "yes").is_dir()) if raw else []
    if not found:
        return folder.read_single(raw, info, EXPECTED)
    root = found[0]
    warnings: list[str] = []
    normal, tumours = (trees.images(root / name, warnings) for name in ("no", "yes"))
    if not normal or not tumours:
        raise wrong_folder(info.name, root, EXPECTED)
    warnings += trees.zero_byte_warnings([*normal, *tumours])
    files = [(file, "") for file in normal] + [(file, "tumor") for file in tumours]  # sorted by name
    samples = pool.split(pool.images(root, files, info.name), info.name)
    return Built(samples=samples, root=root, texts={info.name: info.name}, warnings=tuple(warnings))
