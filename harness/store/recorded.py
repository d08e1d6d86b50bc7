"""What a run finds recorded before it starts: parts and what they lack, and whether the database can be relied on."""

from __future__ import annotations

from pathlib import Path

from gad.harness.errors import StoreError
from gad.harness.nouns import Grid, most_maps
from gad.harness.store import mapfiles
from gad.harness.store.layout import Layout
from gad.harness.store.read import connect, has_files


def part_states(results_folder: Path) -> dict[str, tuple[str, str]]:
    """Every recorded part: id -> (status, segment). Empty when there is no database yet."""
    if not Layout(results_folder).published.is_file():
        return {}
    with connect(results_folder) as connection:
        rows = connection.execute("SELECT part_id, status, segment FROM parts").fetchall()
    return {part: (status, segment) for part, status, segment in rows}


def maps_kept(results_folder: Path) -> dict[str, tuple[int, str]]:
    """Parts with kept maps: id -> (how many of each label were asked for, the file's name).

    The name is empty for a model that gives no maps. A part whose file is gone is left out.
    """
    if not Layout(results_folder).published.is_file():
        return {}
    with connect(results_folder) as connection:
        rows = connection.execute("SELECT part_id, most, file FROM part_maps").fetchall()
    return {
        part: (most, file)
        for part, most, file in rows
        if not file or mapfiles.place(results_folder, file).is_file()
    }


def pixels_measured(results_folder: Path) -> set[str]:
    """Parts that pixel metrics were asked of, whether or not the model and the data have any."""
    if not Layout(results_folder).published.is_file():
        return set()
    with connect(results_folder) as connection:
        return {part for (part,) in connection.execute("SELECT part_id FROM part_pixels").fetchall()}


def lacking(results_folder: Path, grid: Grid) -> dict[str, str]:
    """Parts that are done but lack what a grid wants beside scores: part id -> what that is."""
    most, found = most_maps(grid.maps), {}
    if not (most or grid.pixel_metrics):
        return {}
    done = [part for part, (status, _) in part_states(results_folder).items() if status == "done"]
    if grid.pixel_metrics:
        measured = pixels_measured(results_folder)
        for part in done:
            if part not in measured:
                found[part] = "its scores are recorded, but not the pixel metrics that are asked for now"
    if most:
        kept = maps_kept(results_folder)
        for part in done:
            if kept.get(part, (0, ""))[0] < most:
                found[part] = "its scores are recorded, but not the maps that are to be kept now"
    return found


def is_current(results_folder: Path) -> bool:
    """Whether the published database holds exactly the segments and runs that are on disk."""
    layout = Layout(results_folder)
    if not layout.published.is_file():
        return not has_files(results_folder)
    try:
        # A database of an older version is not current either: it cannot be connected to.
        with connect(results_folder) as connection:
            found = {name for (name,) in connection.execute("SELECT name FROM segments").fetchall()}
            found |= {run for (run,) in connection.execute("SELECT run_id FROM runs").fetchall()}
    except StoreError:
        return False
    on_disk = {path.name for path in layout.segments.glob("*.parquet")}
    return found == on_disk | {path.stem for path in layout.runs.glob("*.json")}


def is_whole(results_folder: Path) -> bool:
    """Whether every block of the published database can be read: DuckDB checks one only when it is read."""
    try:
        with connect(results_folder) as connection:
            for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                connection.execute(f'SELECT bit_xor(hash(t)) FROM "{table}" t').fetchall()  # noqa: S608
    except StoreError:
        return False
    return True
