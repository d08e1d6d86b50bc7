"""Fixtures of the whole suite: data prepared once, and one simulated cluster for all tests that run grids."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from support import write_hostile

from gad.datasets.prepare import ensure_bundled

# The first example of a test often pays for an import: time is not what these tests are about.
settings.register_profile("here", deadline=None)
settings.load_profile("here")

BUNDLED = ("digits-one-vs-all", "digits-multi-class", "textures")


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """A suite that a script starts in the background ignores Ctrl-C, and so would all that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the bundled datasets prepared. Shared: do not write into it."""
    data = tmp_path_factory.mktemp("bundled")
    for name in BUNDLED:
        ensure_bundled(name, data)
    return data


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with a third party's models in it."""
    return write_hostile(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="session")
def nodes(strangers: Path) -> Iterator[Any]:
    """A cluster of two nodes with one CPU each, whose workers see the strangers' package.

    Every run starts workers of its own on every node: a third node would only cost (see :func:`third`).
    """
    from ray.cluster_utils import Cluster

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(strangers)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster()
    try:
        for _ in range(2):
            made.add_node(num_cpus=1, include_dashboard=False, object_store_memory=200_000_000)
        made.wait_for_nodes()
        yield made
    finally:
        made.shutdown()
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@pytest.fixture
def third(nodes: Any) -> Iterator[None]:
    """One more node, for as long as a test lasts."""
    node = nodes.add_node(num_cpus=1, include_dashboard=False, object_store_memory=80_000_000)
    try:
        nodes.wait_for_nodes()
        yield
    finally:
        nodes.remove_node(node)


@pytest.fixture(scope="session")
def cluster(nodes: Any) -> str:
    """Its address."""
    address: str = nodes.address
    return address
