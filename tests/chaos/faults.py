"""All faults by name, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from chaos import clocks, damage, disks, killing, sharing
from chaos.stage import PIXELS, TRAINED, Stage

Fault = Callable[[Stage, Random], None]

# Started by the fault itself on an empty folder, and disturbed at a random moment.
RUNNING: dict[str, Fault] = {
    "kill -9 the driver": killing.driver,
    "kill -9 a worker": killing.worker,
    "kill -9 an adapter's process": killing.child,
    "kill -9 the ingester": killing.ingester,
    "kill -9 a raylet": killing.raylet,
    "kill -9 a node's agent": killing.agent,
    "kill -9 a whole node": killing.node,
    "kill -9 the raylet of a run alone": killing.own_raylet,
    "Ctrl-C once": killing.interrupt,
    "Ctrl-C twice": killing.interrupt_twice,
    "SIGTERM once": killing.terminate,
    "SIGTERM twice": killing.terminate_twice,
    "results on a full disk": disks.full,
    "results made read-only": disks.read_only,
    "the same grid twice at once": sharing.twice,
    "the clock jumps": clocks.jumps,
}
# Done to the results of a finished grid.
_PIXELS: dict[str, Fault] = {
    "a flipped byte in a part file": damage.flip_segment,
    "a truncated part file": damage.truncate_segment,
    "a deleted part file": damage.delete_segment,
    "a damaged run file": damage.flip_run,
    "a damaged database": damage.flip_database,
    "a deleted database": damage.delete_database,
    "a damaged ingester's database": damage.flip_private,
}
# The same, of a grid with features and trainings in the cache.
_TRAINED: dict[str, Fault] = {
    "a flipped byte in a feature shard": damage.flip_shard,
    "a truncated feature shard": damage.truncate_shard,
    "a flipped byte in a checkpoint": damage.flip_checkpoint,
    "a truncated checkpoint": damage.truncate_checkpoint,
}
FINISHED = _PIXELS.keys() | _TRAINED.keys()
ALL: dict[str, tuple[Fault, str]] = {
    **{name: (fault, PIXELS) for name, fault in {**RUNNING, **_PIXELS}.items()},
    **{name: (fault, TRAINED) for name, fault in _TRAINED.items()},
    "the cache on a full disk": (disks.full_cache, TRAINED),
}

# Faults that may strike one run, or one folder, together: what comes of it is asked of all of them.
_PROCESSES = 2 * ("kill -9 the ingester", "kill -9 an adapter's process", "kill -9 a worker")
_TOGETHER = (
    (*_PROCESSES, "kill -9 a raylet"),
    (*_PROCESSES, "kill -9 a node's agent"),
    (*_PROCESSES, "kill -9 a whole node"),
    3 * ("a flipped byte in a part file", "a truncated part file", "a deleted part file"),
    ("a damaged database", "a damaged run file"),
    3 * ("a flipped byte in a feature shard", "a truncated feature shard"),
    ("a flipped byte in a checkpoint", "a truncated checkpoint"),
)
# In an order in which as many as possible start from a folder that is whole already.
GROUPS: tuple[tuple[str, ...], ...] = tuple(
    sorted(
        (*_TOGETHER, *((name,) for name in ALL if not any(name in group for group in _TOGETHER))),
        key=lambda group: (ALL[group[0]][1], group[0] not in FINISHED),
    )
)
