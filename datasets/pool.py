"""Datasets whose normals come as one pool, split 3:1 here; everything anomalous is test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gad.datasets import trees
from gad.datasets.progress import track
from gad.harness.errors import DataError
from gad.harness.manifest import file_digest, sample_id
from gad.harness.nouns import Sample


def images(root: Path, files: Iterable[tuple[Path, str]], category: str) -> list[Sample]:
    """A sample for each (file, defect), in place and not split yet; anomalous if it has a defect."""
    return [image(root, file, category, defect) for file, defect in track(list(files), f"reading {category}")]


def image(root: Path, file: Path, category: str, defect: str) -> Sample:
    path = trees.relative(file, root)
    return Sample(
        id=sample_id(path),
        path=path,
        label=1 if defect else 0,
        split="test",
        category=category,
        digest=file_digest(file),
        defect=defect,
    )


def split(samples: Sequence[Sample], dataset: str) -> tuple[Sample, ...]:
    """The samples, of whose normals 3 in 4 are train, as ``train_test_split(test_size=0.25, random_state=42)``.

    The draw depends on the order of the normals: callers sort them. DataError for fewer than two.
    """
    from sklearn.model_selection import train_test_split

    normals = [place for place, sample in enumerate(samples) if sample.label == 0]
    if len(normals) < 2:
        raise DataError(
            f"{dataset}: {len(normals)} normal image(s) found, at least 2 expected",
            fix="Check the raw folder.",
        )
    train = set(train_test_split(normals, test_size=0.25, random_state=42)[0])
    return tuple(
        sample.model_copy(update={"split": "train"}) if place in train else sample
        for place, sample in enumerate(samples)
    )
