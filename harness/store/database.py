"""The ingester's private database: opened, brought up to date, and what readers ask for most added up."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from gad.harness.store import schema
from gad.harness.store.layout import Layout

if TYPE_CHECKING:
    import duckdb

AGGREGATES = {
    "dataset_cells": "dataset_results",
    "job_cells": "job_results",
    "category_cells": "category_results",
    "cost_cells": "dataset_costs",
}


def open_private(layout: Layout) -> duckdb.DuckDBPyConnection:
    """Open the private database; a damaged one is thrown away, for the files hold everything."""
    import duckdb

    layout.make()
    connection = None
    try:
        connection = duckdb.connect(str(layout.private))
        _bring_up_to_date(connection)
    except duckdb.Error:
        if connection is not None:
            connection.close()
        discard_private(layout)
        connection = duckdb.connect(str(layout.private))
        _bring_up_to_date(connection)
    return connection


def _bring_up_to_date(connection: duckdb.DuckDBPyConnection) -> None:
    if schema.migrate(connection):
        make_aggregates(connection)  # with the columns that the views have now
        new_generation(connection)  # so that it is published


def discard_private(layout: Layout) -> None:
    for path in layout.private.parent.glob(layout.private.name + "*"):
        path.unlink()


def make_aggregates(connection: duckdb.DuckDBPyConnection) -> None:
    """Write what readers ask for most as tables, so that no page has to add it up when it opens.

    They are made anew from the views, and so follow them; a reader that misses one asks the view.
    """
    for table, source in AGGREGATES.items():
        connection.execute(f"CREATE OR REPLACE TABLE {table} AS FROM {source}")


def generation(connection: duckdb.DuckDBPyConnection) -> str:
    """Which content the database holds: another word after every change, empty before the first."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
    return str(row[0]) if row else ""


def new_generation(connection: duckdb.DuckDBPyConnection) -> None:
    # Not a count: a database that is made again from the files would reach an old number with other content.
    word = secrets.token_hex(8)
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('generation', ?)", [word])
