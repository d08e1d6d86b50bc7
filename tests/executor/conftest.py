"""A working folder over the bundled data, and running a grid from it on the session's cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import Bench


@pytest.fixture
def bench(tmp_path: Path, bundled: Path, strangers: Path) -> Bench:
    """A fresh working folder over the bundled data, with the strangers' models installed."""
    return Bench(tmp_path / "bench", data=bundled, path=strangers)


@pytest.fixture
def submit(bench: Bench, cluster: str) -> Callable[..., str]:
    """Run a grid on the cluster and return what was said on standard error."""

    def run(grid: str, *arguments: str, code: int = 0) -> str:
        path = grid if "\n" not in grid else bench.grid(grid)
        return bench.run("submit", "--grid", path, "--address", cluster, *arguments, code=code).stderr

    return run
