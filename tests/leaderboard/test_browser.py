"""The page in a real browser: what is on screen is what is in the store, and it fills by itself."""

from __future__ import annotations

import time

import pytest

from gad.harness.store import read
from gad.leaderboard.serve import Folders, running

HOSTILE = "<img src=x onerror=window.hacked=1>"
VALUES = "cells => cells.map(c => [c.dataset.model, c.dataset.dataset, c.dataset.value, c.innerText])"


@pytest.fixture(scope="module")
def served(make_folder):
    """A folder with two models on two datasets, one of them with hostile names, and its address."""
    folder = make_folder()
    for model, quality in (("knn", 1.5), (HOSTILE, 0.5)):
        for dataset in ("screws", HOSTILE):
            folder.record(*folder.plan(model, dataset, shots=(2, 4)), quality=quality)
    with running(Folders(folder.path)) as (address, _):
        yield folder, address


@pytest.fixture
def page(browser, served):
    found = browser.new_page()
    found.set_default_timeout(60_000)  # for busy machines
    found.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    found.goto(served[1])
    found.wait_for_selector(".gad-table")
    yield found
    found.close()


def on_screen(page) -> dict[tuple[str, str], tuple[float, str]]:
    cells = page.locator(".gad-table td[data-model]").evaluate_all(VALUES)
    return {(model, dataset): (float(value), text) for model, dataset, value, text in cells}


def stored(folder, shots: int, metric: str) -> dict[tuple[str, str], tuple[float, float]]:
    return {
        (row["model"], row["dataset"]): (row[f"{metric}_mean"], row[f"{metric}_std"])
        for row in read.results(folder.path)
        if row["shots"] == shots
    }


def assert_shows_the_store(page, folder, shots: int, metric: str) -> None:
    shown, expected = on_screen(page), stored(folder, shots, metric)
    assert shown.keys() == expected.keys()
    for key, (mean, std) in expected.items():
        assert shown[key][0] == mean
        assert f"{mean:.3f}" in shown[key][1]
        assert f"± {std:.3f}" in shown[key][1]


def test_numbers_are_the_store_s_and_controls_change_them(page, served) -> None:
    folder, address = served
    assert_shows_the_store(page, folder, 2, "auroc")
    page.get_by_role("radio", name="4", exact=True).click()
    page.wait_for_selector('.gad-table[data-k="4"] td')
    page.get_by_role("radio", name="AUPRC").click()
    page.wait_for_selector('.gad-table[data-metric="auprc"] td')
    page.wait_for_url("**k=4&metric=auprc**")
    assert_shows_the_store(page, folder, 4, "auprc")
    page.reload()
    page.wait_for_selector('.gad-table[data-k="4"][data-metric="auprc"] td')
    assert page.url.startswith(address)


def test_on_a_phone_a_heat_map_scrolls_before_its_numbers_touch(browser, address) -> None:
    """Two datasets, of which the longer name has 17 letters."""
    page = browser.new_page(viewport={"width": 260, "height": 700})
    page.set_default_timeout(60_000)
    page.goto(f"{address}/ablations")
    page.wait_for_selector(".js-plotly-plot .main-svg")
    page.wait_for_function("document.querySelector('.js-plotly-plot .main-svg').clientWidth > 240")
    page.close()


def test_hostile_names_do_nothing(page) -> None:
    page.wait_for_selector(".js-plotly-plot .main-svg")
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src='x']").count() == 0
    assert page.locator(".gad-table th .name", has_text=HOSTILE).count() == 2


def test_a_refresh_draws_nothing_again_when_nothing_changed(page) -> None:
    page.wait_for_selector(".js-plotly-plot .main-svg")
    page.wait_for_timeout(1000)
    page.evaluate(
        """() => { window.changes = 0; const count = new MutationObserver(found => changes += found.length);
        for (const node of document.querySelectorAll('.gad-scroll, .js-plotly-plot, .gad-status'))
            count.observe(node.parentNode, {subtree: true, childList: true}); }"""
    )
    page.wait_for_timeout(4500)
    assert page.evaluate("window.changes") == 0


@pytest.mark.alone
def test_a_finished_job_appears_within_five_seconds(page, served) -> None:
    folder, _ = served
    jobs = folder.plan("newcomer", "screws")
    page.get_by_role("radio", name="AUPRC").click()
    page.wait_for_selector('.gad-table[data-metric="auprc"] td')
    folder.record(*jobs)
    published = time.monotonic()
    page.wait_for_selector('.gad-table td[data-model="newcomer"][data-value]')
    assert time.monotonic() - published < 5
    assert page.locator('.gad-table[data-metric="auroc"] td').count() == 0
