"""Rows for a feature store, and a look at its files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from gad.harness.features import shards
from gad.harness.features.shards import Stream
from gad.harness.features.store import FeatureStore

CLASS = Stream(encoder="ab12", name="class")
LAYER = Stream(encoder="ab12", name="layer-07")


def rows(count: int, *shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, *(shape or (4,)))).astype(dtype)


def names(count: int, first: int = 0) -> list[str]:
    return [f"{number:064x}" for number in range(first, first + count)]


def again(store: FeatureStore) -> FeatureStore:
    """The store as another process would see it."""
    return FeatureStore(store.folder)


def data_files(store: FeatureStore, stream: Stream = CLASS) -> list[Path]:
    return sorted(shards.folder_of(store.folder, stream).glob("*.npy"))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def run_script(script: str, *arguments: object, wait: bool = True) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)])
    if wait:
        process.wait(timeout=60)
    return process
