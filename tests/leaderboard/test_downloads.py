"""Downloads in a real browser: every table of every page, figures, and the way down from a number to its images."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from gad.harness.store import read
from gad.leaderboard import exports, screenshot
from gad.leaderboard.pages import app
from gad.leaderboard.sheetformats import FORMATS

KINDS = {"CSV": "csv", "Markdown": "md", "LaTeX (booktabs)": "latex"}
HEADS = (
    "tables => tables.map(t => [...t.querySelectorAll('tbody th')].map(th => th.innerText.split('\\n')[0]))"
)


@pytest.fixture
def page(browser):
    found = browser.new_page(accept_downloads=True)
    found.set_default_timeout(60_000)  # for busy machines
    yield found
    found.close()


def open_page(page, address: str, name: str, query: str = "") -> None:
    page.goto(f"{address}/{'' if name == app.DEFAULT else name}?{query}")
    page.wait_for_selector(".gad-table")
    page.wait_for_selector(screenshot.IDLE)


def saved(page, place: int) -> dict[str, tuple[str, str]]:
    """What the page's table number ``place`` is saved as: by kind, the file's name and text."""
    page.locator("[data-testid=stPopover] button").nth(place).click()
    found = {}
    for label, kind in KINDS.items():
        button = page.get_by_role("button", name=label, exact=True)
        with page.expect_download() as download:
            button.click()
        found[kind] = (download.value.suggested_filename, Path(download.value.path()).read_text())
    page.keyboard.press("Escape")
    return found


def test_the_main_table_is_saved_as_the_store_has_it(page, address, site) -> None:
    open_page(page, address, "leaderboard", "k=4&metric=auprc")
    found = saved(page, 0)
    sheet = exports.boards(site.folder.path, "auprc", 4)["leaderboard-auprc-k4"]
    for kind, (name, text) in found.items():
        make, ending, _ = FORMATS[kind]
        assert name == f"leaderboard-auprc-k4.{ending}"
        assert text == make(sheet)
    header, *rows = csv.reader(io.StringIO(found["csv"][1]))
    knn = next(dict(zip(header, row, strict=True)) for row in rows if row[0] == "knn")
    stored = read.results(site.folder.path)
    (cell,) = [r for r in stored if (r["model"], r["dataset"], r["shots"]) == ("knn", "digits-one-vs-all", 4)]
    assert knn["digits-one-vs-all"] == repr(cell["auprc_mean"])
    assert knn["digits-one-vs-all std"] == repr(cell["auprc_std"])


@pytest.mark.parametrize("name", [name for name in app.PAGES if name != app.DEFAULT])
def test_every_table_is_saved_with_the_rows_that_are_on_screen(page, address, name: str) -> None:
    open_page(page, address, name)
    heads = page.locator("table.gad-table:visible").evaluate_all(HEADS)
    buttons = page.locator("[data-testid=stPopover] button:visible").count()
    assert buttons == len(heads) > 0
    for place, shown in enumerate(heads):
        found = saved(page, place)
        _, *rows = csv.reader(io.StringIO(found["csv"][1]))
        plain = [row[0].replace("\n", " ").removeprefix("'") for row in rows]
        assert plain == [text.strip() for text in shown]
        assert found["md"][1].count("\n") == len(rows) + 2
        assert "\\toprule" in found["latex"][1]


@pytest.mark.parametrize("name", ["shots", "compare", "dataset"])
def test_figures_are_saved_as_svg(page, address, name: str) -> None:
    open_page(page, address, name)
    chart = page.locator(".js-plotly-plot").first
    chart.scroll_into_view_if_needed()
    chart.hover()
    with page.expect_download() as download:
        chart.locator(".modebar-btn[data-title^='Download']").click()
    assert download.value.suggested_filename.endswith(".svg")
    text = Path(download.value.path()).read_text()
    assert text.startswith("<svg")
    assert "<img" not in text


def test_a_number_leads_down_to_the_images_it_was_made_of(page, address, site) -> None:
    """Main table, dataset, category, images, job: by clicks alone, the same figures all the way."""
    open_page(page, address, "leaderboard")
    page.locator("td[data-model=knn][data-dataset=parts] a").click()
    page.wait_for_url("**/dataset?**")
    page.get_by_role("link", name="nut").click()
    page.wait_for_url("**category=nut**")
    page.wait_for_selector(".gad-gallery img")
    page.wait_for_selector(screenshot.IDLE)
    asked = {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}
    (stored,) = [
        row
        for row in read.results(site.folder.path, "category")
        if (row["model"], row["dataset"], row["category"], row["shots"], row["seed"])
        == ("knn", "parts", "nut", 2, int(asked["seed"]))
    ]
    assert asked["method"] == stored["method_key"]
    assert page.locator(".gad-figures b").first.inner_text() == f"{stored['auroc']:.4f}"
    assert re.search(
        r"above \d+% of the anomalous", page.locator(".gad-gallery figcaption").last.inner_text()
    )
    page.get_by_role("link", name="this job").click()
    page.wait_for_url(f"**/job?job={stored['job_id']}**")
    page.wait_for_selector(".gad-figures")
    (job,) = [row for row in read.results(site.folder.path, "job") if row["job_id"] == stored["job_id"]]
    assert f"{job['auroc']:.4f}" in page.locator(".gad-figures").inner_text()
