"""What the medical datasets share: one pool of normals split 3:1, and errors about the wrong folder."""

from __future__ import annotations

from pathlib import Path

from gad.datasets import trees
from gad.harness.errors import DataError
from gad.harness.manifest import file_digest, sample_id
from gad.harness.nouns import Sample, Split


def split_normals(names: list[str], dataset: str) -> tuple[list[str], list[str]]:
    """Train and test names, 3:1, as ``train_test_split(test_size=0.25, random_state=42)`` draws them.

    The draw depends on the order of ``names``: callers sort it (or take the publisher's own order).
    """
    from sklearn.model_selection import train_test_split

    if len(names) < 2:
        raise DataError(
            f"{dataset}: {len(names)} normal image(s) found, at least 2 expected", fix="Check the raw folder."
        )
    train, test = train_test_split(names, test_size=0.25, random_state=42)
    return list(train), list(test)


def medical_sample(root: Path, file: Path, category: str, split: Split, defect: str = "") -> Sample:
    """One image in place; anomalous if it has a defect."""
    path = trees.relative(file, root)
    return Sample(
        id=sample_id(path),
        path=path,
        label=1 if defect else 0,
        split=split,
        category=category,
        digest=file_digest(file),
        defect=defect,
    )


def wrong_folder(dataset: str, raw: Path | None, expected: str) -> DataError:
    """The error for a raw folder that is not this dataset's."""
    if raw is None:
        return DataError(
            f"{dataset} needs its raw files: {expected}",
            fix=f"Download it (`harness data list` shows from where), then `harness data prepare {dataset} --raw DIR`.",
        )
    other = trees.resembles(raw)
    hint = f" It looks like {other}." if other and other != dataset else ""
    return DataError(
        f"{dataset}: {raw} is not its folder: {trees.found_in(raw)}; expected {expected}.{hint}",
        fix="Give the folder that the download unpacks to.",
    )
