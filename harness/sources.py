"""The datasets a grid names, as the planner wants them: prepared, or missing with the reason."""

from __future__ import annotations

import os
from pathlib import Path

from gad.datasets import catalog
from gad.harness import manifest
from gad.harness.errors import DataError, GridError
from gad.harness.nouns import Grid
from gad.harness.plan import Source
from gad.harness.registry import Registry


def load(grid: Grid, data: Path, *, prepare_bundled: bool) -> dict[str, Source]:
    """Sources by the name they have in the grid.

    Bundled datasets are prepared when asked for; otherwise they count as not prepared yet. A folder
    is looked at every time, so that a file added to it is noticed.
    """
    found = {name: _source(name, data, prepare_bundled) for name in grid.datasets}
    for name, source in found.items():
        other = next(n for n, s in found.items() if s.name == source.name)
        if other != name:
            raise GridError(
                f"{other} and {name} are both called {source.name!r}, and results go by that name",
                fix="Rename one of the folders.",
            )
    return found


def load_auxiliary(grid: Grid, registry: Registry, data: Path, *, prepare_bundled: bool) -> dict[str, Source]:
    """The auxiliary sets by the name they have in the grid; none when nothing is to be trained."""
    if not any(registry.find(choice.name).info.trained and not choice.checkpoint for choice in grid.models):
        return {}
    return {name: _source(name, data, prepare_bundled) for name in dict.fromkeys(grid.auxiliary.values())}


def _source(name: str, data: Path, prepare_bundled: bool) -> Source:
    from gad.datasets.prepare import again, ensure_bundled, prepare

    if name not in catalog.DATASETS:
        # Grids have folders as absolute paths; other names are those that images were prepared under.
        prepared = prepare(name, None, data) if os.sep in name else again(name, data)
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
