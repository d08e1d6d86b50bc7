"""What a worker needs to know beside its units."""

from __future__ import annotations

from gad.harness.nouns import Frozen, Limits
from gad.harness.units import ScoreUnit


class Method(Frozen):
    """How to run one method: where its info is, and its canonical batch size."""

    info: str
    batch_size: int


class Order(Frozen):
    """What a worker needs beside the unit itself. ``methods`` are by method key; ``maps_most`` as in
    :func:`gad.harness.nouns.most_maps`; ``pixel_metrics`` where there are masks."""

    run_id: str
    methods: dict[str, Method]
    limits: Limits
    threads: int
    cache: str
    maps_most: int = 0
    pixel_metrics: bool = False
    node: str = ""
    device: str = "cpu"  # of encoders; detectors themselves compute on CPUs


def looks_at_maps(unit: ScoreUnit, order: Order) -> bool:
    """Whether anybody will look at the maps of the unit's parts."""
    return order.maps_most > 0 or (order.pixel_metrics and unit.masked)
