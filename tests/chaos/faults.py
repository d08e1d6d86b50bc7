"""All faults by name, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from chaos import clocks, damage, disks, killing, sharing
from chaos.stage import PIXELS, TINY, Stage

Fault = Callable[[Stage, Random], None]

# Started by the fault itself on an empty folder, and disturbed at a random moment.
RUNNING: dict[str, Fault] = {
    "kill -9 the driver": killing.driver,
    "kill -9 a worker": killing.worker,
    "kill -9 an adapter's process": killing.child,
    "kill -9 the ingester": killing.ingester,
    "kill -9 a raylet": killing.raylet,
    "kill -9 a whole node": killing.node,
    "Ctrl-C once": killing.interrupt,
    "Ctrl-C twice": killing.interrupt_twice,
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
# The same, of a grid with features of an encoder in the cache.
_TINY: dict[str, Fault] = {
    "a flipped byte in a feature shard": damage.flip_shard,
    "a truncated feature shard": damage.truncate_shard,
}
FINISHED = _PIXELS.keys() | _TINY.keys()
ALL: dict[str, tuple[Fault, str]] = {
    **{name: (fault, PIXELS) for name, fault in {**RUNNING, **_PIXELS}.items()},
    **{name: (fault, TINY) for name, fault in _TINY.items()},
    "the cache on a full disk": (disks.full_cache, TINY),
}
