"""How many bytes a process holds: of Python and NumPy, of torch's tensors, and of mapped input."""

from __future__ import annotations

import gc
import re
import sys
import tracemalloc
from pathlib import Path

from gad.harness.executor.memory import MEMORY_PREFIX

MAPPED = re.compile(rf"^([0-9a-f]+)-([0-9a-f]+) .*/{MEMORY_PREFIX}[0-9]+-")


def start() -> None:
    """Count what is allocated from now on."""
    if not tracemalloc.is_tracing():
        tracemalloc.start()


def now() -> int:
    """Bytes that are held after a garbage collection. What native code allocates by itself is not seen."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0] + _tensors() + _mapped()


def _tensors() -> int:
    torch = sys.modules.get("torch")
    if torch is None:
        return 0
    storages = {}
    for thing in gc.get_objects():
        if type(thing) in (torch.Tensor, torch.nn.Parameter):
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def _mapped() -> int:
    """Bytes of parts' input that are still mapped; a view of it keeps it all."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return 0
    found = [match for line in lines if (match := MAPPED.match(line))]
    return sum(int(match[2], 16) - int(match[1], 16) for match in found)
