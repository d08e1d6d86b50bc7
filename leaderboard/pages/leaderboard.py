"""Leaderboard: methods by datasets, ranked, beside what was published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from gad.harness.nouns import spelled_shots
from gad.leaderboard import board, choices, figures, pieces, queries, ranking, shell, table

if TYPE_CHECKING:
    from gad.leaderboard.serve import Folders

EXTRAS = {"rank": "average rank", "average": "averages over groups", "cost": "cost"}
ORDERS = {"rank": "average rank", "name": "name"}


def show(_: Folders, snapshot: queries.Snapshot) -> None:
    """Choices, table, ranks and failures."""
    view = choose(snapshot)
    made = board.make(snapshot.datasets, snapshot.costs, view)
    show_table(made)
    show_ranks(snapshot, made)
    failed = snapshot.jobs[snapshot.jobs["status"] == "failed"]
    if not failed.empty:
        with st.expander("Failed jobs"):
            st.html(pieces.failures(failed))


def choose(snapshot: queries.Snapshot) -> board.View:
    """What of the table is wanted."""
    found = snapshot.datasets
    columns = ranking.columns(found)
    with st.container(horizontal=True, vertical_alignment="top", gap="medium"):
        shots = choices.one("k", "K", sorted(int(k) for k in found["shots"].unique()), spelled_shots)
        metric = choices.one("metric", "Metric", ranking.available(found), figures.label)
        protocol = choices.one("protocol", "Datasets", [board.ALL, *dict.fromkeys(columns["protocol"])])
        variants = choices.one(
            "variants",
            "Variants",
            [board.ALL, board.SOUND, board.RELEASED] if board.released_options(found) else [board.ALL],
            help_text="As released: with what the authors' code does otherwise than their paper.",
        )
        search = choices.words("search", "Search methods", "name or option")
    with st.expander("Columns and rows"):
        offered = columns if protocol == board.ALL else columns[columns["protocol"] == protocol]
        names = list(dict.fromkeys(offered["dataset"]))
        datasets = choices.several("datasets", "Only these datasets", names, placeholder="all")
        extras = choices.several(
            "extras", "Beside them", list(EXTRAS), lambda name: EXTRAS[name], default=["rank", "average"]
        )
        order = choices.one("order", "Rows in order of", list(ORDERS), lambda name: ORDERS[name])
        cited = choices.flag("cited", "What others published and measured", default=True)
        older = choices.flag(
            "older", "Older versions", help_text="Rows whose code or data have changed since."
        )
    return board.View(
        shots=shots,
        metric=metric,
        protocol=protocol,
        variants=variants,
        search=search,
        datasets=datasets or None,
        extras=extras,
        cited=cited,
        older=older,
        by_rank=order == "rank",
    )


def show_table(made: board.Board) -> None:
    """The table with its heading and downloads."""
    better = table.DIRECTIONS[ranking.METRICS[made.metric].higher_is_better]
    sheet = board.sheet(made)
    note = (
        f"Mean ± standard deviation over n seeds; {better}. Among complete cells the best of a dataset is bold "
        "and the second underlined; hatched cells are incomplete and not ranked."
    )
    if any(cell.versus is not None for cell in made.cells.values()):
        note += (
            " Small signed figures: difference to the published one, marked ! where it is more than chance."
        )
    said, saved = shell.headed()
    said.html(pieces.heading(sheet.title, note))
    with saved:
        shell.downloads(sheet, f"leaderboard-{made.metric}-k{made.shots}")
    if made.rows:
        st.html(table.table(made))
    else:
        st.html(pieces.nothing("No method matches these choices."))


def show_ranks(snapshot: queries.Snapshot, made: board.Board) -> None:
    """Average ranks with their intervals, where two or more methods are complete."""
    # Transductive methods, in one figure with the others, would look comparable.
    standing = made.standing[~made.standing["transductive"].astype(bool)]
    if standing.empty:
        return
    rows = ranking.rows(snapshot.datasets)
    n = int(standing["datasets"].iloc[0])
    st.html(
        pieces.heading(
            "Average rank",
            f"Over {n} {'dataset' if n == 1 else 'datasets'}, 1 is best; two protocols over the same images count "
            "once. Lines are 95 % intervals over resampled datasets. Only methods with every dataset complete.",
        )
    )
    shell.chart(figures.rank_dots(standing, rows), "average rank", "Average rank of each method")


if __name__ == "__main__":
    shell.page(
        "Few-shot anomaly detection",
        "Detectors that see K normal images of data they were never trained on, under one protocol.",
        show,
    )
