"""Which normal images a detector may look at: the same for every model, nested in K.

The category's train normals are ordered by sha256 of ``dataset|category|seed|id``; the first K are the
prompts. No random generator is involved, so the draw is the same everywhere and for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from gad.harness.nouns import PromptSet, Sample

RULE = "sha256(dataset|category|seed|id), first K, version 1"


def order_key(dataset: str, category: str, seed: int, sample_id: str) -> bytes:
    return hashlib.sha256(
        f"{dataset}|{category}|{seed}|{sample_id}".encode("utf-8", "surrogatepass")
    ).digest()


def draw(dataset: str, category: str, seed: int, normals: Iterable[Sample], most: int) -> PromptSet:
    """The first ``most`` normal train images of one category under one seed (fewer if there are fewer)."""
    ordered = sorted(normals, key=lambda s: order_key(dataset, category, seed, s.id))
    return PromptSet(dataset=dataset, category=category, seed=seed, samples=tuple(ordered[:most]))


def limit_tests(dataset: str, category: str, tests: list[Sample], most: int | None) -> list[Sample]:
    """At most ``most`` test samples, label ratio kept, chosen by hash, in manifest order.

    Each label that is present keeps at least one sample.
    """
    if most is None or len(tests) <= most:
        return tests
    normal = [s for s in tests if s.label == 0]
    anomalous = [s for s in tests if s.label == 1]
    n_normal = round(most * len(normal) / len(tests))
    n_normal = min(max(n_normal, 1 if normal else 0), most - (1 if anomalous else 0))
    kept: set[str] = set()
    for group, count in ((normal, n_normal), (anomalous, most - n_normal)):
        ordered = sorted(group, key=lambda s: order_key(dataset, category, -1, s.id))
        kept.update(s.id for s in ordered[:count])
    return [s for s in tests if s.id in kept]
