"""A dataset's card, filled in with what was prepared: counts, sizes and modes of its images, where it comes from."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gad.datasets import catalog
from gad.datasets.expected import COUNTS, official
from gad.datasets.progress import track
from gad.harness import manifest
from gad.harness.manifest import Prepared
from gad.harness.nouns import Category, DatasetInfo, Sample

MOST_SIZES = 5  # told one by one; of more, the extremes


def card(info: DatasetInfo, prepared: Prepared | None) -> dict[str, Any]:
    """Everything known of a dataset, as plain values; what only its images can tell is ``None`` without them."""
    expected = {category.category: category for category in info.expected}
    found = prepared.categories if prepared else info.expected
    return {
        "dataset": info.name,
        "title": info.title,
        "protocol": info.protocol,
        "prepared": prepared is not None,
        "categories": [
            {
                "category": category.category,
                "text": category.text,
                **counts_of(category),
                "expected": expected_counts(expected.get(category.category)),
            }
            for category in found
        ],
        "roughly_known": list(info.about),
        "images": None if prepared is None else images_of(prepared),
        "split": info.notes,
        "authors_split": info.authors_split or None,
        "licence": info.licence,
        "citation": info.citation,
        "source": info.source,
        "fingerprint": prepared.fingerprint if prepared else None,
        "official_fingerprint": info.fingerprint or None,
        "official": (official(prepared) or None) if prepared else None,
        "root": str(prepared.root_path) if prepared else None,
        "warnings": list(prepared.warnings) if prepared else [],
    }


def of_prepared(prepared: Prepared) -> DatasetInfo:
    """The card of what is prepared: the catalog's, or for images of your own what is known of them."""
    if prepared.name in catalog.DATASETS:
        return catalog.DATASETS[prepared.name]
    from gad.datasets import own
    from gad.datasets.prepare import folder_of
    from gad.harness.errors import DataError

    try:
        return own.card(folder_of(prepared), prepared.name)
    except DataError:  # its folder is gone: what was prepared still says something
        plain = own.plain(prepared.name, str(folder_of(prepared)))
        return plain.model_copy(update={"title": prepared.title, "protocol": prepared.protocol})


def counts_of(category: Category) -> dict[str, int]:
    return {field: getattr(category, field) for field in COUNTS}


def expected_counts(category: Category | None) -> dict[str, int] | None:
    return counts_of(category) if category else None


def images_of(prepared: Prepared) -> dict[str, Any]:
    """How many different images there are, in which sizes (width, height) and modes, and how many have masks.

    Only headers are read. Files that are missing or no images are counted as ``unreadable``.
    """
    samples = manifest.read_samples(prepared)
    distinct = list({(s.path, s.index, s.crop): s for s in samples}.values())
    paths = {s.path: s.index is not None for s in distinct}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        heads = threads.map(lambda item: _head(prepared.root_path / item[0], item[1]), paths.items())
        head = dict(zip(paths, track(heads, "reading headers", len(paths)), strict=True))
    readable = [s for s in distinct if head[s.path] is not None]
    sizes = Counter(_size(s, head[s.path]) for s in readable)
    return {
        "distinct": len(distinct),
        "files": len(paths),
        "unreadable": len(distinct) - len(readable),
        "sizes": _sizes(sizes),
        "modes": dict(Counter(head[s.path][1] for s in readable).most_common()),  # type: ignore[index]
        "with_mask": len({(s.path, s.crop) for s in samples if s.mask}),
    }


Head = tuple[tuple[int, int], str]


def _head(path: Path, array: bool) -> Head | None:
    try:
        if array:
            import numpy as np

            _, high, wide, *colours = np.load(path, mmap_mode="r", allow_pickle=False).shape
            return (wide, high), "RGB" if colours else "L"
        from PIL import Image

        with Image.open(path) as image:
            return image.size, image.mode
    except Exception:  # Pillow and NumPy raise many kinds for damaged files: all mean "unreadable"
        return None


def _size(sample: Sample, head: Head | None) -> tuple[int, int]:
    assert head is not None
    if sample.crop is None:
        return head[0]
    left, top, right, bottom = sample.crop
    return right - left, bottom - top


def _sizes(sizes: Counter[tuple[int, int]]) -> dict[str, Any]:
    """Each size with its count, or the smallest and the largest by area where there are many."""
    listed: Iterable[tuple[tuple[int, int], int]] = sizes.most_common(MOST_SIZES)
    by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    return {
        "kinds": len(sizes),
        "common": [{"width": wide, "height": high, "images": count} for (wide, high), count in listed],
        "smallest": list(by_area[0]) if by_area else None,
        "largest": list(by_area[-1]) if by_area else None,
    }
