"""What the process of adapter code reads and leaves: code by reference, array files, checkpoints."""

from __future__ import annotations

import importlib
import json
from typing import Any

import numpy as np
from safetensors.numpy import save_file


def load(reference: str) -> Any:
    """What ``module:NAME`` names."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def mapped(path: str) -> np.ndarray:
    """An array file, memory-mapped read-only, so that no adapter can change what another one sees."""
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def save(arrays: dict[str, Any], path: str, header: dict[str, Any]) -> None:
    """Write arrays as safetensors; ``header`` is what the file says of itself."""
    # safetensors wants plain contiguous arrays; it never executes anything when they are read back.
    # (np.ascontiguousarray would give an array without axes one.)
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    save_file(plain, path, metadata={"gad": json.dumps(header)})
