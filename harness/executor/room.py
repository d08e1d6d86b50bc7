"""Folders that cannot be written to, and disks that are too small: refused before anything starts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gad.harness import plandisk
from gad.harness.errors import StoreError
from gad.harness.plan import Plan
from gad.harness.store.layout import Layout

LEAST_FREE_BYTES = 200_000_000


def for_results(layout: Layout) -> None:
    """Make the folder. Raises StoreError where results cannot be written, or hardly any."""
    fix = "Name another with --results DIR."
    try:
        layout.make()
        free = shutil.disk_usage(layout.root).free
    except OSError as error:
        raise StoreError(
            f"results folder {layout.root} cannot be used: {error.strerror or error}", fix=fix
        ) from error
    if not os.access(layout.segments, os.W_OK):
        raise StoreError(f"results folder {layout.root} is read-only", fix=fix)
    if free < LEAST_FREE_BYTES:
        raise StoreError(
            f"{free / 1e6:.0f} MB are free at {layout.root}; at least {LEAST_FREE_BYTES / 1e6:.0f} MB are needed",
            fix="Make room, or name another folder with --results DIR.",
        )


def for_cache(cache: Path) -> None:
    """Make the folder. Raises StoreError where features and checkpoints cannot be written."""
    fix = "Name another with --cache DIR."
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cache folder {cache} cannot be used: {error.strerror or error}", fix=fix
        ) from error
    if not os.access(cache, os.W_OK | os.X_OK):
        raise StoreError(f"cache folder {cache} is read-only", fix=fix)


def for_features(plan: Plan, cache: Path, *, stream: bool) -> None:
    """Raises StoreError when the features to keep do not fit on the disk of the cache."""
    needed = plandisk.feature_bytes(plan, cache, stream=stream)
    free = plandisk.free_bytes(cache)
    if not needed or needed + LEAST_FREE_BYTES <= free:
        return
    ways = ["`harness cache prune` frees what earlier runs left", "--cache DIR names another folder"]
    if not stream:
        streamed = plandisk.gigabytes(plandisk.feature_bytes(plan, cache, stream=True))
        kept = f"`--features stream` keeps none of test images (then about {streamed} are needed)"
        ways.insert(0, kept)
    raise StoreError(
        f"the features of this grid need about {plandisk.gigabytes(needed)} in {cache} (and "
        f"{plandisk.gigabytes(LEAST_FREE_BYTES)} to spare); {plandisk.gigabytes(free)} are free there",
        fix="Nothing was started. " + "; ".join(ways) + ".",
    )
