"""Addresses in a real browser: every widget of every page is changed, and the address shows a stranger the same."""

from __future__ import annotations

import pytest

from gad.leaderboard.pages import app
from gad.leaderboard.serve import Folders, running

IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
SHOWN = """() => ({
  tables: [...document.querySelectorAll('table.gad-table')].map(table => table.innerText),
  pictures: [...document.querySelectorAll('.gad-gallery img')].map(image => image.src.length + image.alt),
  figures: [...document.querySelectorAll('.js-plotly-plot')].map(plot =>
    JSON.stringify(plot.data.map(trace => [trace.x, trace.y, trace.z, trace.name])))})"""


@pytest.fixture(scope="module")
def address(site):
    with running(Folders(site.folder.path, site.data)) as (found, _):
        yield found


def settled(page) -> dict[str, list[str]]:
    """What is on screen once nothing changes any more."""
    before = None
    for _ in range(60):
        page.wait_for_selector(IDLE)
        page.wait_for_timeout(250)
        shown = page.evaluate(SHOWN)
        charts = page.locator("[data-testid=stPlotlyChart]").count()  # which are drawn later than tables
        drawn = (shown["tables"] or page.locator(".gad-nothing").count()) and len(shown["figures"]) == charts
        if shown == before and drawn:
            return shown
        before = shown
    raise AssertionError(f"{page.url} does not come to rest")


def change_everything(page) -> int:
    """Change every widget to something else, one after the other. Returns how many there were."""
    for folded in page.locator("[data-testid=stExpander] summary").all():
        folded.click()
    changed = 0
    for kind, change in (
        ("stButtonGroup", other_button),
        ("stSelectbox", other_option),
        ("stMultiSelect", other_option),
        ("stCheckbox", lambda widget: widget.locator("label").first.click()),
        ("stTextInput", search),
    ):
        for place in range(page.locator(f"[data-testid={kind}]").count()):
            widget = page.locator(f"[data-testid={kind}]").nth(place)
            if widget.count():
                change(widget)
                page.wait_for_selector(IDLE)
                page.wait_for_timeout(150)
                changed += 1
    return changed


def other_button(widget) -> None:
    widget.locator("button[aria-checked=false]").first.click()


def other_option(widget) -> None:
    box = widget.locator("input").first
    box.click()
    box.press("ArrowDown")
    box.press("Enter")
    box.press("Escape")


def search(widget) -> None:
    widget.locator("input").first.fill("n")
    widget.locator("input").first.press("Enter")


@pytest.mark.parametrize("name", app.PAGES)
def test_an_address_shows_what_its_sender_saw(browser, address, name: str) -> None:
    sender = browser.new_page()
    sender.set_default_timeout(20_000)
    sender.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    sender.goto(f"{address}/{'' if name == app.DEFAULT else name}")
    before = settled(sender)
    changed = change_everything(sender)
    sent = settled(sender)
    assert not sender.locator("[data-testid=stException]").count()
    assert sender.evaluate("window.hacked") is None
    link = sender.url
    sender.close()
    if name == "runs":  # which has no choices
        assert not changed
        return
    assert changed >= 2
    assert sent != before
    assert sent["tables"]
    stranger = browser.new_page()
    stranger.set_default_timeout(20_000)
    stranger.goto(link)
    assert settled(stranger) == sent
    assert not stranger.locator(".gad-note").count()
    stranger.close()
