"""What was found beside what the official set has: counts, and the fingerprint where it is known."""

from __future__ import annotations

from collections.abc import Iterable

from gad.datasets import catalog
from gad.harness import manifest
from gad.harness.built import Built
from gad.harness.manifest import Prepared
from gad.harness.nouns import Category, DatasetInfo

VERIFIED = "verified: this is the complete official set"
COUNTS = ("train_normal", "test_normal", "test_anomalous")


def official(prepared: Prepared) -> str:
    """Whether this is the complete official set: ``verified``, or how it differs; "" where nobody knows."""
    info = catalog.DATASETS.get(prepared.name)
    if info is None or not info.fingerprint:
        return ""
    if info.fingerprint == prepared.fingerprint:
        return VERIFIED
    differences = count_differences(info, prepared.categories)
    return "differs from the official set: " + (
        "; ".join(differences)
        or "the counts are right, but not the names or the content of all files, or the split"
    )


def unexpected(info: DatasetInfo, built: Built) -> list[str]:
    """How what was built differs from the official set in its counts; nothing where nobody knows them."""
    if not info.expected:
        return []
    return count_differences(info, manifest.summarise(built.samples, built.texts))


def count_differences(info: DatasetInfo, found: Iterable[Category]) -> list[str]:
    """One text for the categories that are not there, and one for each with other counts than the official set."""
    by_name = {category.category: category for category in found}
    absent = [wanted.category for wanted in info.expected if wanted.category not in by_name]
    texts = []
    if absent:
        texts.append(
            f"only {len(by_name)} of {len(info.expected)} categories are there; not {', '.join(absent)}: "
            "a mean over the dataset is over those alone"
        )
    for wanted in info.expected:
        have = by_name.get(wanted.category)
        if have and not all(_agrees(field, have, wanted, info) for field in COUNTS):
            texts.append(
                f"category {wanted.category}: found {_counts(have)}, expected {_counts(wanted, info.about)}; "
                "compare the raw folder with the official download"
            )
    return texts


def _agrees(field: str, have: Category, wanted: Category, info: DatasetInfo) -> bool:
    """Whether a count is as expected; one that is known only roughly may be off by a tenth."""
    found, right = getattr(have, field), getattr(wanted, field)
    return abs(found - right) <= right / 10 if field in info.about else found == right


def _counts(category: Category, about: tuple[str, ...] = ()) -> str:
    return ", ".join(
        f"{'about ' if field in about else ''}{getattr(category, field)} {field.replace('_', ' ')}"
        for field in COUNTS
    )
