"""Addresses in a real browser: every widget of every page is changed, and the address shows a stranger the same."""

from __future__ import annotations

from typing import Any

import pytest

from gad.leaderboard.pages import app
from gad.leaderboard.screenshot import IDLE

SHOWN = f"""() => ({{
  idle: !!document.querySelector({IDLE!r}),
  tables: [...document.querySelectorAll('table.gad-table')].map(table => table.innerText),
  pictures: [...document.querySelectorAll('.gad-gallery img')].map(image => image.src.length + image.alt),
  figures: [...document.querySelectorAll('.js-plotly-plot')].map(plot =>
    JSON.stringify(plot.data.map(trace => [trace.x, trace.y, trace.z, trace.name])))}})"""


def settled(page) -> dict[str, list[str]]:
    """What is on screen once nothing changes any more: charts are drawn later than tables."""
    before = None
    for _ in range(100):
        shown = page.evaluate(SHOWN)
        charts = page.locator("[data-testid=stPlotlyChart]").count()
        drawn = (shown["tables"] or page.locator(".gad-nothing").count()) and len(shown["figures"]) == charts
        if shown == before and drawn and shown["idle"]:
            return shown
        before = shown
        page.wait_for_timeout(300)
    raise AssertionError(f"{page.url} does not come to rest: {shown}")


def opened(browser, address: str):
    """A page with everything unfolded."""
    page = browser.new_page()
    page.set_default_timeout(60_000)  # for busy machines
    page.goto(address)
    settled(page)
    for folded in page.locator("[data-testid=stExpander] summary").all():
        folded.click()
    return page


def change_everything(page) -> list[str]:
    """Change every widget to something else, one after the other, and see each change the address. Their names.

    Until there is none left that was not: a choice may bring others with it.
    """
    changed: list[str] = []
    while left := [found for found in widgets(page) if found[0] not in changed]:
        name, widget, ways = left[0]
        assert any(changes_address(page, widget, way) for way in ways), f"{name}: {page.url}"
        changed.append(name)
    return changed


def widgets(page) -> list[tuple[str, Any, tuple[Any, ...]]]:
    """What holds a choice on the page: its name, itself and how it is changed. Nothing else there takes input."""
    kinds = set(page.evaluate(KINDS))
    assert kinds <= WAYS.keys() | NO_CHOICE, f"how is one of {kinds} changed?"
    found = [
        (widget.get_by_test_id("stWidgetLabel").first.inner_text().split("\n")[0], widget, ways)
        for kind, ways in WAYS.items()
        for widget in page.get_by_test_id(kind).all()
    ]
    assert len({name for name, *_ in found}) == len(found)
    return found


def changes_address(page, widget, way) -> bool:
    before = page.url
    way(widget)
    for _ in range(100):
        page.wait_for_timeout(50)
        if page.url != before:
            settled(page)
            return True
    return False


def press(widget) -> None:
    widget.locator("button[aria-checked=false]").last.click()


def choose(key: str):
    def way(widget) -> None:
        box = widget.locator("input").first
        box.click()
        for pressed in (key, "Enter", "Escape"):
            box.press(pressed)

    return way


def take_away(widget) -> None:
    widget.locator("input").first.press("Backspace")


def switch(widget) -> None:
    widget.locator("label").first.click()


def search(widget) -> None:
    widget.locator("input").first.fill("n")
    widget.locator("input").first.press("Enter")


WAYS = {
    "stButtonGroup": (press,),
    "stSelectbox": (choose("ArrowDown"), choose("ArrowUp")),
    "stMultiSelect": (choose("ArrowDown"), take_away),
    "stCheckbox": (switch,),
    "stTextInput": (search,),
}
# What Streamlit calls the elements that only show something, or save it.
NO_CHOICE = {"stHtml", "stFullScreenFrame"}
KINDS = """() => [...document.querySelectorAll('[data-testid=stMain] [data-testid=stElementContainer]')]
  .flatMap(element => [...element.querySelectorAll('[data-testid]')].slice(0, 1)).map(e => e.dataset.testid)"""


@pytest.mark.parametrize("name", app.PAGES)
def test_an_address_shows_what_its_sender_saw(browser, address, name: str) -> None:
    sender = opened(browser, f"{address}/{'' if name == app.DEFAULT else name}")
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
    assert len(changed) >= 2
    assert sent != before
    assert sent["tables"]
    stranger = opened(browser, link)
    assert settled(stranger) == sent
    assert not stranger.locator(".gad-note").count()
    stranger.close()
