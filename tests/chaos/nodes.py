"""The simulated cluster: nodes of one CPU each, of which all but the head may be killed and are replaced."""

from __future__ import annotations

import contextlib
from random import Random
from typing import Any

import psutil
from ray.cluster_utils import Cluster

# Titles of the two helpers of every raylet. They look like workers, but a raylet ends itself with either.
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 200_000_000}


class Nodes:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def raylets(self) -> list[int]:
        return [_raylet(node) for node in [self.cluster.head_node, *self.cluster.worker_nodes] if node]

    def workers(self) -> list[Any]:
        """Nodes other than the head, in the order they joined."""
        return sorted(self.cluster.worker_nodes, key=_raylet)

    def kill_raylet(self, node: Any) -> None:
        """Its raylet alone: workers notice and leave."""
        psutil.Process(_raylet(node)).kill()

    def kill_agent(self, node: Any, random: Random) -> None:
        """One of a raylet's two helpers."""
        below = psutil.Process(_raylet(node)).children()
        random.choice([each for each in below if each.cmdline()[0].startswith(AGENTS)]).kill()

    def kill_all(self, node: Any) -> None:
        """Everything of a node at once: raylet, workers, and what those started."""
        raylet = psutil.Process(_raylet(node))
        for process in [raylet, *raylet.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def replace(self, node: Any) -> None:
        """Clear a dead node away and add another."""
        self.cluster.remove_node(node, allow_graceful=False)
        self.cluster.add_node(**NODE)
        self.cluster.wait_for_nodes()


def start(count: int = 2) -> Nodes:
    cluster = Cluster()
    for _ in range(count):
        cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    return Nodes(cluster)


def _raylet(node: Any) -> int:
    (info,) = node.all_processes["raylet"]
    return int(info.process.pid)
