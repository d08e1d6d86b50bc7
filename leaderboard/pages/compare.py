"""Compare: two or more methods, paired, with what can be told apart and what cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from gad.leaderboard import (
    bootstrap,
    choices,
    comparison,
    details,
    figures,
    methods,
    pieces,
    queries,
    rankdiagram,
    ranking,
    shell,
    standings,
)
from gad.leaderboard.sheet import Figure, Sheet, Value

if TYPE_CHECKING:
    from pathlib import Path

    from gad.leaderboard.serve import Folders

MOST = 6  # compared when nobody has chosen
MOST_SCORES = 200_000  # of a dataset, for a thousand draws; above it there are fewer
FEWER_DRAWS = 200


def show(folders: Folders, snapshot: queries.Snapshot) -> None:
    """Choices, differences, tests over datasets, and bootstrap intervals on one dataset."""
    found = ranking.newest_versions(snapshot.datasets)
    known = methods.of(snapshot.datasets, found)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        shots = choices.one("k", "K", sorted(int(k) for k in found["shots"].unique()))
        metric = choices.one("metric", "Metric", ranking.available(found), figures.label)
        reference = choices.one("reference", "Reference", known.keys, known.spell)
        by = choices.one("by", "Differences by", list(comparison.BY))
    rest = [key for key in known.keys if key != reference]
    chosen = choices.several("methods", "Compared with", rest, known.spell, placeholder=f"the first {MOST}")
    others = chosen or rest[:MOST]
    if not others:
        st.html(pieces.nothing("There is only one method: nothing to compare it with."))
        return
    show_differences(folders.results, snapshot, known, reference, others, shots, metric, by)
    show_tests(found, known, [reference, *others], shots, metric)
    show_bootstrap(folders.results, snapshot, known, [reference, *others], shots)


def show_differences(
    results: Path,
    snapshot: queries.Snapshot,
    known: methods.Methods,
    reference: str,
    others: list[str],
    shots: int,
    metric: str,
    by: str,
) -> None:
    """Paired differences as a table."""
    jobs = snapshot.jobs[snapshot.jobs["method_key"].isin([reference, *others])]
    jobs = jobs[jobs["shots"] == shots]
    lines = details.categories(results, jobs["job_id"].tolist()) if by == "category" else jobs
    values = comparison.values(lines, shots, metric, by)
    sheet = comparison.sheet(values, reference, others, metric, by, known.spell)
    shell.show_sheet(sheet, f"compare-{metric}-k{shots}-by-{by}")


def show_tests(found: pd.DataFrame, known: methods.Methods, keys: list[str], shots: int, metric: str) -> None:
    """Friedman, Wilcoxon with Holm's correction, and the diagram of average ranks."""
    ranked = ranking.cells(found[found["method_key"].isin(keys)], shots, metric)
    ranked, apart = comparison.comparable(ranked)
    wide = standings.complete(ranked, ranking.columns(found)).droplevel(["model", "options"])
    wide = wide.dropna(axis=0, how="all").dropna(axis=1, how="all")
    if len(wide) < 2 or wide.dropna(axis=1).empty:
        st.html(pieces.nothing("No dataset is complete for two of these methods."))
        return
    table, average, groups, _ = comparison.tests(wide, metric, known.spell)
    shell.show_sheet(table, f"tests-{metric}-k{shots}")
    joined = "Bars join methods that Wilcoxon's test with Holm's correction does not tell apart at 5 %."
    if all(row[-1] is None for row in table.rows):
        joined = "Nothing was tested, so the bar joins all of them."
    if apart:
        joined += f" Not ranked with them: {', '.join(map(known.spell, apart))}."
    st.html(pieces.heading("Critical-difference diagram", f"Average ranks, best on the left. {joined}"))
    figure = rankdiagram.diagram(average, groups, known.names, known.looks)
    shell.chart(figure, "critical differences", "Average ranks and groups that are not told apart")


def show_bootstrap(
    results: Path, snapshot: queries.Snapshot, known: methods.Methods, keys: list[str], shots: int
) -> None:
    """Image-stratified bootstrap intervals of AUROC on one dataset."""
    jobs = snapshot.jobs
    jobs = jobs[jobs["method_key"].isin(keys) & (jobs["shots"] == shots) & (jobs["status"] == "done")]
    if jobs.empty:
        return
    dataset = choices.one("dataset", "Bootstrap on", sorted(jobs["dataset"].unique()))
    newest = jobs[jobs["dataset"] == dataset].sort_values("last_run")["column_key"].iloc[-1]
    jobs = jobs[(jobs["dataset"] == dataset) & (jobs["column_key"] == newest)]
    lines = details.categories(results, jobs["job_id"].tolist())
    # The same category and prompts for all of them, so that differences are paired.
    lines = lines.drop_duplicates(["method_key", "category", "seed"])
    counts = lines.groupby(["category", "seed"])["method_key"].nunique()
    present = [key for key in keys if key in set(lines["method_key"])]
    shared = counts[counts == len(present)].index
    lines = lines[pd.MultiIndex.from_frame(lines[["category", "seed"]]).isin(shared)]
    total = int((lines["n_normal"] + lines["n_anomalous"]).sum())
    draws = bootstrap.DRAWS if total <= MOST_SCORES else FEWER_DRAWS
    found = boot(results, queries.stamp(results), tuple(lines["part_id"]), tuple(present), draws)
    if found is None:
        st.html(
            pieces.nothing(
                f"No category of {dataset} with both classes was scored by all on the same prompts."
            )
        )
        return
    table: list[list[Value]] = []
    for i, key in enumerate(present):
        low, high = bootstrap.interval(found[i])
        line: list[Value] = [known.spell(key), Figure(float(found[i].mean())), f"{low:.3f} to {high:.3f}"]
        if i:
            low, high = bootstrap.interval(found[i] - found[0])
            mark = "" if low <= 0 <= high else "0 is outside"
            line += [
                Figure(float((found[i] - found[0]).mean()), signed=True),
                f"{low:+.3f} to {high:+.3f}",
                mark,
            ]
        else:
            line += [None, None, None]
        table.append(line)
    columns = ["method", "mean of draws", "95 % interval", "− reference", "95 % interval", ""]
    note = (
        f"{draws} draws of the test images, normal and anomalous apart, the same for all methods; mean over "
        f"categories and seeds. {total:,} scores. It tells how far the choice of test images moves a number, not "
        "how far another dataset would."
    )
    shell.show_sheet(
        Sheet(f"Bootstrap of AUROC on {dataset}", columns, table, note), f"bootstrap-{dataset}-k{shots}"
    )


@st.cache_data(max_entries=32, show_spinner="Drawing…")
def boot(results: Path, _version: object, parts: tuple[str, ...], keys: tuple[str, ...], draws: int):  # type: ignore[no-untyped-def]
    """Draws of the mean AUROC over (category, seed): float ``[methods, draws]``, or None without a cell."""
    import numpy as np

    ids = details.ask(
        results,
        "SELECT part_id, method_key, category, seed FROM parts WHERE part_id = ANY(?)",
        (tuple(sorted(parts)),),
    )
    scores = dict(list(details.scores(results, list(parts)).groupby("part_id")))
    cells = []
    for (category, _), own in ids.groupby(["category", "seed"]):
        frames = [
            scores[part].sort_values("sample_id")
            for part in own.set_index("method_key").loc[list(keys), "part_id"]
        ]
        labels = frames[0]["label"].to_numpy(np.int8)
        cells.append((str(category), labels, np.stack([f["score"].to_numpy() for f in frames])))
    return bootstrap.mean_draws(cells, draws)


if __name__ == "__main__":
    shell.page("Compare", "What is different, and whether it could be chance.", show)
