"""Files of the cache that were damaged: whoever finds one sets it aside, and the run says which they were."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def named(cache: Path) -> Iterator[None]:
    """When the block ends, name on standard error the shards and checkpoints that were set aside meanwhile."""
    before = _aside(cache)
    try:
        yield
    finally:
        for path, moved in sorted(_aside(cache).items()):
            if before.get(path) != moved:
                print(f"damaged, set aside as {path}; what it held was made again", file=sys.stderr)


def _aside(cache: Path) -> dict[Path, int]:
    """When each was moved; a shard's two files are one."""
    found = [*cache.glob("features/*/*/damaged/*"), *cache.glob("trainings/damaged/*")]
    times: dict[Path, int] = {}
    for path in found:
        with contextlib.suppress(FileNotFoundError):  # pruned meanwhile
            name = path.with_suffix("")
            times[name] = max(path.stat().st_ctime_ns, times.get(name, 0))
    return times
