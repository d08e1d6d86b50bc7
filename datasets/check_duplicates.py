"""Images that are there more than once: in train, in test, or (a leak) in both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from gad.datasets.trees import shortened
from gad.harness.nouns import Sample

WARNING = "warning: "
SAME = "have the same content"
LOOK_ALIKE = "have the same pixels, though their files differ"


def duplicates(samples: Iterable[Sample]) -> list[str]:
    """Warnings for images of one category whose stored bytes are the same, leaks first."""
    groups: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.category, sample.digest].append(sample)
    return _told([group for group in groups.values() if len(group) > 1], SAME)


def look_alikes(samples: Iterable[Sample], pixels: Mapping[str, str]) -> list[str]:
    """Warnings for images of one category that differ as files, but not once they are decoded.

    ``pixels`` maps an image's digest to that of its decoded pixels.
    """
    groups: dict[tuple[str, str], dict[str, Sample]] = defaultdict(dict)
    for sample in samples:
        if sample.digest in pixels:
            groups[sample.category, pixels[sample.digest]].setdefault(sample.digest, sample)
    return _told([list(group.values()) for group in groups.values() if len(group) > 1], LOOK_ALIKE)


def _told(groups: list[list[Sample]], how: str) -> list[str]:
    """One line for each group; a group that is the same in several categories is told once."""
    lines: dict[tuple[int, str], list[str]] = defaultdict(list)
    for group in groups:
        lines[_line(group, how)].append(group[0].category)
    told = []
    for (_, text), categories in sorted(lines.items(), key=lambda item: item[0][0]):
        where = f"category {categories[0]}" if len(categories) == 1 else f"categories {shortened(categories)}"
        told.append(f"{WARNING}{where}: {text}")
    return told


def _line(group: list[Sample], how: str) -> tuple[int, str]:
    """What is wrong with a group, and how it ranks: leaks come first, then labels that contradict each other."""
    train = [s.id for s in group if s.split == "train"]
    tests = [s for s in group if s.split == "test"]
    ids = shortened([s.id for s in tests])
    if train and tests:
        return 0, (
            f"test image {ids} and train image {shortened(train)} {how}: scores on it are too good; remove "
            "one of the files and prepare again, unless you need the official split"
        )
    if len({s.label for s in tests}) > 1:
        return 1, (
            f"test images {ids} {how}, but some are normal and some anomalous: no detector can be right on all; "
            "find out what they show, remove the wrong ones and prepare again"
        )
    if tests:
        return (
            2,
            f"test images {ids} {how}: each counts; remove all but one, unless you need the official split",
        )
    return 3, (
        f"train images {shortened(train)} {how}: K shots may show less than K images; remove all but one, "
        "unless you need the official split"
    )
