"""The page under Streamlit's own test runner: what it shows, and that it never shows a traceback."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from gad.harness.store import live
from gad.leaderboard.pages import app

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def show(folder, monkeypatch):
    """Runs the page on the folder, with query parameters."""

    def run(page_name: str = "", **query: str | list[str]) -> AppTest:
        monkeypatch.setattr(sys, "argv", ["app.py", "--results", str(folder.path)])
        page = AppTest.from_file(str(Path(app.__file__)), default_timeout=20)
        if page_name:
            page.switch_page(f"{page_name}.py")
        for name, value in query.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception
        return page

    return run


def text(page: AppTest) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def test_empty_folder_says_what_to_run(show) -> None:
    found = text(show())
    assert "No results yet" in found
    assert "harness submit --grid demo" in found


def test_missing_folder_says_what_to_run(show, folder) -> None:
    shutil.rmtree(folder.path)
    assert "No results yet" in text(show())


def test_damaged_database_is_told_without_a_traceback(show, folder) -> None:
    folder.path.joinpath("results.duckdb").write_text("this is not a database")
    found = text(show())
    assert "cannot be opened" in found
    assert "harness db rebuild" in found
    assert "Traceback" not in found


def test_one_job_of_one_model(show, folder) -> None:
    job, *_ = folder.plan("a", "d", seeds=(0,))
    folder.record(job)
    assert "<b>1</b> of 1 jobs done" in text(show())
    assert len(show("shots").get("plotly_chart")) == 1


def test_a_run_going_on_is_told(show, folder) -> None:
    job, *_ = folder.plan("a", "d")
    folder.publish()
    fields = {"score": {"done": 1, "failed": 0, "total": 6}, "running_jobs": [job.job_id]}
    live.write(folder.path, "run", fields)
    found = text(show())
    assert "a run is going on: 1 of 6 parts" in found
    assert "<b>1</b> running" in found
    assert "<b>2</b> planned" in found


def test_choosing_k_and_metric_changes_the_table_and_the_address(show, folder) -> None:
    folder.record(*folder.plan("a", "d", shots=(2, 4)))
    page = show()
    assert 'data-k="2" data-metric="auroc"' in text(page)
    page.segmented_control(key="k").select(4).run()
    page.segmented_control(key="metric").select("auprc").run()
    assert not page.exception
    assert 'data-k="4" data-metric="auprc"' in text(page)
    assert (page.query_params["k"], page.query_params["metric"]) == ("4", "auprc")


def test_the_address_chooses_and_nonsense_in_it_does_not(show, folder) -> None:
    folder.record(*folder.plan("a", "d", shots=(2, 4)))
    assert 'data-k="4" data-metric="fpr95"' in text(show(k="4", metric="fpr95"))
    found = text(show(k="<b>", metric="nonsense"))
    assert 'data-k="2" data-metric="auroc"' in found
    assert "<code>k = &lt;b&gt;</code>, which is not here; shown instead: 2." in found
    assert "<code>metric = nonsense</code>" in found


def test_a_note_goes_when_somebody_chooses(show, folder) -> None:
    folder.record(*folder.plan("a", "d", shots=(2, 4)))
    page = show(k="7")
    assert "k = 7" in text(page.run())
    page.segmented_control(key="k").select(4).run()
    assert "k = 7" not in text(page)


def test_a_new_k_keeps_the_choice(show, folder) -> None:
    folder.record(*folder.plan("a", "d", shots=(4,)))
    page = show()
    folder.record(*folder.plan("a", "d", shots=(2,)))
    page.run()
    assert page.segmented_control(key="k").options == ["2", "4"]
    assert page.segmented_control(key="k").value == 4
    assert "gad gad-note" not in text(page)


def test_the_choice_outlives_a_moment_without_a_database(show, folder) -> None:
    folder.record(*folder.plan("a", "d", shots=(2, 4)))
    page = show(k="4")
    published = folder.path / "results.duckdb"
    content = published.read_bytes()
    published.write_text("damaged")
    assert "cannot be opened" in text(page.run())
    published.write_bytes(content)
    assert 'data-k="4"' in text(page.run())


def test_protocols_filter_columns(show, folder) -> None:
    folder.record(*folder.plan("a", "screws", protocol="industrial"))
    folder.record(*folder.plan("a", "brains", protocol="medical"))
    assert "screws" not in text(show(protocol="medical"))
    assert "screws" in text(show())


def test_older_code_is_shown_on_request(show, folder) -> None:
    for code in "12":
        folder.record(*folder.plan("a", "d", code=code), quality=float(code))
    page = show()
    assert "older" not in text(page)
    page.toggle(key="older").set_value(True).run()
    assert ">older " in text(page)


def test_incomplete_and_failed_cells(show, folder) -> None:
    first, second, third = folder.plan("a", "d")
    folder.record(first, second)
    folder.record(third, error=f"it broke {HOSTILE}")
    page = show()
    found = text(page)
    assert "2/3 seeds" in found
    assert "1 failed" in found
    assert "it broke &lt;img" in found
    assert [box.label for box in page.expander] == ["Columns and rows", "Failed jobs"]


def test_hostile_names_never_become_markup(show, folder) -> None:
    folder.record(*folder.plan(HOSTILE, HOSTILE, options={HOSTILE: HOSTILE}))
    page = show()
    assert "<img" not in text(page)
    assert "&lt;img src=x onerror=alert(1)&gt;" in text(page)
    shots = show("shots")
    assert "<img" not in text(shots)
    assert "<img" not in shots.get("plotly_chart")[0].proto.spec


def test_jobs_that_are_planned_do_not_hide_how_many_images_were_scored(show, folder) -> None:
    """Two categories of 12 and 12; the jobs of the first two seeds say nothing of them."""
    folder.record(folder.plan("a", "d")[-1])
    assert "<b>24</b> normal and <b>24</b> anomalous" in text(show("dataset"))


def test_names_are_no_markdown_where_streamlit_would_read_it(show, folder) -> None:
    """Buttons of a choice show Markdown: this name would fetch a picture from elsewhere."""
    name = "![a](//elsewhere/b.png)"
    for dataset in (name, "d"):
        folder.record(*folder.plan("a", dataset))
    page = show("dataset")
    assert "\\!\\[a\\](//elsewhere/b.png)" in page.segmented_control(key="dataset").options
    assert page.segmented_control(key="dataset").set_value(name).run().query_params["dataset"] == name


def test_a_dataset_at_another_k_alone_takes_no_average_rank_away(show, folder) -> None:
    """The table's columns are those of its K; the figure of average ranks is over the same ones."""
    for model in "ab":
        folder.record(*folder.plan(model, "d", shots=(2,)), *folder.plan(model, "e", shots=(4,)))
    page = show(k="2")
    assert "average rank" in text(page)
    assert len(page.get("plotly_chart")) == 1


@pytest.mark.parametrize("by", ["dataset", "category"])
def test_differences_are_never_taken_over_two_versions_of_the_data(show, folder, by) -> None:
    """Three seeds on the data as they were, and three as they are: three pairs."""
    for data in "12":
        for model in "ab":
            folder.record(*folder.plan(model, "d", data=data))
    assert "3 pairs" in text(show("compare", by=by))


def test_nothing_in_common_is_said_and_not_drawn(show, folder) -> None:
    folder.record(*folder.plan("a", "d", seeds=(0,)), *folder.plan("b", "d", seeds=(1,)))
    assert "was scored by all on the same prompts" in text(show("compare"))


def test_what_is_planned_alone_is_said_and_not_drawn(show, folder) -> None:
    for parts in ("TPI", "P"):
        folder.plan("inctrl", "d", options={"components": parts, "residual": "subtract"})
    folder.publish()
    page, shots = show("ablations"), show("shots")
    assert "No dataset is complete for T + P + I" in text(page)
    assert "None of these methods has finished anything" in text(shots)
    assert not page.get("plotly_chart")
    assert not shots.get("plotly_chart")


def test_k_0_is_called_zero_shot_wherever_it_is_shown(show, folder) -> None:
    jobs = [
        *folder.plan("a", "d", shots=(0, 2), seeds=(0,)),
        *folder.plan("b", "d", shots=(0, 2), seeds=(0,)),
    ]
    folder.record(*jobs)
    page = show(k="0")
    assert page.segmented_control(key="k").options == ["0 (zero-shot)", "2"]
    assert "AUROC at K = 0 (zero-shot)" in text(page)
    assert "K = 0 (zero-shot)" in text(show("shots"))
    for name in ("compare", "dataset"):
        assert "0 (zero-shot)" in show(name, k="0").segmented_control(key="k").options
    zero = next(job for job in jobs if job.shots == 0)
    assert "<small>K</small><b>0 (zero-shot)</b>" in text(show("job", job=zero.job_id))
