"""The datasets a grid names, as the planner wants them: prepared, or missing with the reason."""

from __future__ import annotations

from pathlib import Path

from gad.datasets import catalog
from gad.harness import manifest
from gad.harness.errors import DataError
from gad.harness.nouns import Grid
from gad.harness.plan import Source


def load(grid: Grid, data: Path, *, prepare_bundled: bool) -> dict[str, Source]:
    """Sources by the name they have in the grid.

    Bundled datasets are prepared when asked for; otherwise they count as not prepared yet. A folder
    is read anew every time, so that a file added to it is noticed.
    """
    return {name: _source(name, data, prepare_bundled) for name in grid.datasets}


def _source(name: str, data: Path, prepare_bundled: bool) -> Source:
    from gad.datasets.prepare import ensure_bundled, is_path, prepare

    if is_path(name):
        prepared = prepare(name, None, data)
        return Source(name=prepared.name, prepared=prepared)
    info = catalog.find(name)
    if info.bundled and prepare_bundled:
        return Source(name=name, prepared=ensure_bundled(name, data), info=info)
    if not manifest.exists(data, name) and info.bundled:
        return Source(name=name, prepared=None, info=info)
    try:
        return Source(name=name, prepared=manifest.load(data, name), info=info)
    except DataError as error:
        return Source(name=name, prepared=None, info=info, missing=error.message + ". " + error.fix)
