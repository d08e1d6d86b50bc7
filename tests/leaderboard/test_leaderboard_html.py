"""The table and the page's pieces as HTML: marks, and nothing of a name that a browser could act on."""

from __future__ import annotations

from html.parser import HTMLParser

import pandas as pd
import pytest

from gad.harness.errors import StoreError
from gad.leaderboard import board, figures, pieces, queries, ranking, table

HOSTILE = "<img src=x onerror=alert(1)>\"'\x1b[31m\u202e\ud800&"


class Parsed(HTMLParser):
    """Elements of a document: (tag, attributes), and its text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def cells(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == "td"]


def render(snapshot: queries.Snapshot, metric: str = "auroc") -> Parsed:
    view = board.View(shots=2, metric=metric, extras=(), by_rank=False)
    return Parsed(table.table(board.make(snapshot.datasets, snapshot.costs, view)))


def test_values_at_full_precision(folder) -> None:
    folder.record(*folder.plan("a", "d"))
    snapshot = queries.load(folder.path)
    found = render(snapshot)
    (cell,) = found.cells()
    (whole,) = [attributes for tag, attributes in found.elements if tag == "table"]
    assert float(str(cell["data-value"])) == snapshot.datasets["auroc_mean"][0]
    assert (cell["data-model"], cell["data-dataset"], whole["data-k"]) == ("a", "d", "2")
    assert "best" in str(cell["class"])


def test_incomplete_cells_say_what_is_missing(folder) -> None:
    first, second, third = folder.plan("a", "d")
    folder.record(first)
    folder.record(second, error="it broke")
    found = render(queries.load(folder.path))
    assert "incomplete" in str(found.cells()[0]["class"])
    assert "1/3 seeds" in found.text
    assert "1 failed" in found.text
    folder.record(third)
    assert "2/3 seeds" in render(queries.load(folder.path)).text


def test_planned_cells_have_no_value_and_others_are_absent(folder) -> None:
    folder.plan("a", "d")
    folder.record(*folder.plan("b", "e"))
    found = render(queries.load(folder.path))
    last = [str(cell["class"]).split()[-1] for cell in found.cells()]
    assert last == ["incomplete", "absent", "absent", "best"]
    assert "0/3 seeds" in found.text


def test_hostile_names_stay_text(folder) -> None:
    name = HOSTILE.replace("\ud800", "")
    folder.record(*folder.plan(name, name, options={name: name}), error=name)
    snapshot = queries.load(folder.path)
    rows = ranking.rows(snapshot.datasets)
    documents = [
        pieces.failures(snapshot.jobs),
        pieces.legend(rows, figures.styles(rows)),
        pieces.problem(StoreError(HOSTILE, fix=HOSTILE)),
        pieces.empty(HOSTILE, queries.Progress()),  # type: ignore[arg-type]
        pieces.heading(HOSTILE, HOSTILE),
        pieces.panel_title(HOSTILE, HOSTILE),
    ]
    for found in [render(snapshot), *map(Parsed, documents)]:
        assert "img" not in [tag for tag, _ in found.elements]
        assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
        assert "<img src=x" in found.text
        assert "\x1b" not in found.text
        assert "\u202e" not in found.text
        found.text.encode()


def test_status_line() -> None:
    states = ["done", "done", "failed", "planned", "planned", "skipped"]
    jobs = pd.DataFrame({"job_id": list("abcdef"), "status": states})
    found = Parsed(pieces.status(jobs, queries.Progress(1, 3, 8, frozenset("d")))).text
    assert found == "2 of 6 jobs done1 failed1 running1 planned1 skippeda run is going on: 3 of 8 parts"


@pytest.mark.parametrize("metric", ["auroc", "fpr95"])
def test_curves_have_a_tick_for_each_k(folder, metric: str) -> None:
    """K = 0 too, which a logarithmic axis has no place for: one step before the least."""
    folder.record(*folder.plan(HOSTILE.replace("\ud800", ""), "d", shots=(0, 1, 2, 8)))
    found = queries.load(folder.path).datasets
    rows = ranking.rows(found)
    limits = figures.shared_range(found, metric)
    (points,) = figures.by_panel(found).values()
    looks, called = figures.styles(rows), figures.names(rows)
    figure = figures.k_curves(points, called, looks, metric=metric, shots=[0, 1, 2, 8], limits=limits)
    assert list(figure.layout.xaxis.tickvals) == list(figure.data[-1].x) == [0.5, 1, 2, 8]
    assert list(figure.layout.xaxis.ticktext) == ["0<br>(zero-shot)", "1", "2", "8"]
    assert "<" not in figure.data[-1].name
    line = figure.data[-1]
    assert list(line.y) == found.sort_values("shots")[f"{metric}_mean"].tolist()
    assert limits[0] < min(line.y) <= max(line.y) < limits[1]
