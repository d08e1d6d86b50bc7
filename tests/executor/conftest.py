"""One simulated cluster of three nodes for all tests that run grids; data prepared once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Bench, write_hostile


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with a third party's models in it."""
    return write_hostile(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="session")
def nodes(strangers: Path) -> Iterator[Any]:
    """A cluster of three nodes with one CPU each, whose workers see the strangers' package."""
    from ray.cluster_utils import Cluster

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(strangers)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster()
    try:
        for _ in range(3):
            made.add_node(num_cpus=1, include_dashboard=False, object_store_memory=200_000_000)
        made.wait_for_nodes()
        yield made
    finally:
        made.shutdown()
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="session")
def cluster(nodes: Any) -> str:
    """Its address."""
    address: str = nodes.address
    return address


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
