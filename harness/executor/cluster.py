"""Starting or joining Ray, and refusing before anything is spent what the cluster cannot do."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from gad.harness.errors import HarnessError
from gad.harness.executor import stopping
from gad.harness.units import ENCODERS_PER_GPU
from gad.harness.version import code_digests, version

PROBE_SECONDS = 120
CONNECT_SECONDS = 5


@contextlib.contextmanager
def session(address: str | None, workers: int | None) -> Iterator[int]:
    """A Ray session; yields how many CPUs it offers.

    Without an address a private local instance is started with ``workers`` CPUs (default: the cores this
    process may use); a running cluster is never joined by accident.
    """
    # Usage statistics would be sent elsewhere; nobody asked for that.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # A termination while Ray starts would else wait half a minute for servers that there are none of.
    os.environ.setdefault("RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if address:
        _reachable(address)
    quiet: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    with contextlib.redirect_stdout(sys.stderr):  # what Ray prints of lost nodes is none of our output
        try:
            with stopping.as_before():
                _start(address, workers, quiet)
            yield int(ray.cluster_resources().get("CPU", 0))
        except KeyboardInterrupt:
            print("stopping: Ray is ended first", file=sys.stderr, flush=True)
            raise
        finally:
            with stopping.as_before():
                ray.shutdown()


def _start(address: str | None, workers: int | None, quiet: dict[str, Any]) -> None:
    import ray

    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            cpus = workers or len(os.sched_getaffinity(0))
            ray.init(address="local", num_cpus=cpus, include_dashboard=False, **quiet)
    except Exception as error:  # on an overloaded machine Ray raises a bare Exception
        if address:
            raise HarnessError(
                f"no Ray cluster at {address!r}: {error}",
                fix="Check the address (`ray status`), or leave --address away to run on this machine.",
            ) from error
        raise HarnessError(
            f"Ray did not start: {error}",
            fix="The same command tries again: a machine that is very busy may be too slow for Ray.",
        ) from error


def device_for(asked: Literal["auto", "cpu", "cuda"]) -> str:
    """Where encoders compute: "cuda" if the cluster has GPUs, unless CPUs are asked for.

    Raises HarnessError where GPUs are asked for and there are none, and where Ray counts GPUs on a node
    that torch does not see there: a run never falls back to CPUs in silence.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from gad.harness.executor.tasks import gpu_task

    with_gpus = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU", 0) > 0]
    if asked == "cpu" or (asked == "auto" and not with_gpus):
        return "cpu"
    if not with_gpus:
        raise HarnessError(
            "no node of the cluster has a GPU", fix="Leave --device away to encode on CPUs, or add a node."
        )
    for node in with_gpus:
        place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        task = gpu_task.options(num_gpus=1 / ENCODERS_PER_GPU, scheduling_strategy=place)
        try:
            seen = ray.get(task.remote(), timeout=PROBE_SECONDS)
        except Exception:  # whatever it fails with, nothing can be encoded there
            seen = False
        if not seen:
            raise HarnessError(
                f"node {node['NodeManagerAddress']} ({node['NodeID'][:8]}) offers "
                f"{node['Resources']['GPU']:g} GPU(s), but torch sees none there",
                fix="Check its driver and its torch (a CUDA build?), or run with --device cpu.",
            )
    return "cuda"


def _reachable(address: str) -> None:
    """Refuse an address where nobody listens: Ray itself would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return  # "auto" and the like: Ray knows what is meant
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise HarnessError(
            f"no Ray cluster at {address!r}: {error.strerror or error}",
            fix="Check the address (`ray status`), or leave --address away to run on this machine.",
        ) from error


def preflight(files: Sequence[str], models: Sequence[str]) -> int:
    """Check every living node: same code, data in sight, CPUs to work with. Returns the number of nodes.

    ``files`` are a few data files that every node must see, ``models`` the models that will run: their
    code must be the same everywhere, too. A node that turns out to be gone (Ray takes some seconds to notice) is
    left out. Raises HarnessError naming the node.
    """
    own = code_digests(list(models))
    nodes = [node for node in _living() if _takes_part(node, list(files), own)]
    if not any(node["Resources"].get("CPU", 0) >= 1 for node in nodes):
        raise HarnessError(
            f"the cluster's {len(nodes)} node(s) offer no CPU; every task needs one",
            fix="Start nodes with CPUs, or leave --address away.",
        )
    return len(nodes)


def _living() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _takes_part(node: dict[str, Any], files: list[str], own: dict[str, str]) -> bool:
    """Whether a node can run tasks; False when it is gone. ``own``: digests of the code here, by model.

    Raises HarnessError for a node that lives and has other code, or does not see the data.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from gad.harness.executor.tasks import probe_task

    place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    name = f"node {node['NodeManagerAddress']} ({node['NodeID'][:8]})"
    models = [model for model in own if model != "harness"]
    try:
        found, code, missing = ray.get(
            probe_task.options(scheduling_strategy=place).remote(files, models), timeout=PROBE_SECONDS
        )
    except Exception as error:  # whatever a node fails with, it cannot take part
        if node["NodeID"] not in {other["NodeID"] for other in _living()}:
            print(f"{name} is gone; the run goes on without it", file=sys.stderr)
            return False
        reason = str(error).strip().splitlines()[-1]
        raise HarnessError(
            f"{name} cannot run the harness: {reason}", fix="Install the same package there."
        ) from error
    other = [what for what in own if code.get(what) != own[what]]
    if found != version() or other:
        raise HarnessError(
            f"{name} has other code than this machine: version {found} there, {version()} here; "
            f"differing: {', '.join(other) or 'the version'}",
            fix="Install the same version of the package, and of every model's, on all nodes.",
        )
    if missing:
        raise HarnessError(
            f"{name} does not see {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else ""),
            fix="Put the data under the same path on every node (a shared folder).",
        )
    return True
