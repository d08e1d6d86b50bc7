"""How quick the leaderboard's pages are on a generated store, in a real browser.

    python benchmarks/pages.py FOLDER [--jobs 5000 --scores 3000]

Prints for each page the time from asking for the address to the first table or figure (the second visit: the
first one warms the server), and for its choices the time from a click to other figures on screen and until all
of the page has followed: medians of three. In brackets what processors spent on it meanwhile, server and browser
together: on a machine that does other things too, that says more than the clock. FOLDER is filled if it is empty.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pages_store
import psutil
from playwright.sync_api import Locator, Page, sync_playwright

from gad.leaderboard import screenshot
from gad.leaderboard.pages.app import DEFAULT, PAGES
from gad.leaderboard.serve import Folders, running

FIRST_S, CHANGE_S, REPEATS = 1.5, 0.5, 3
REST_MS = 2500  # between measurements, longer than a page's own refresh
CONTENT = ".gad-table, .gad-nothing, .js-plotly-plot"
# Not innerText, which would lay out the page at each look.
SHOWN = "[...document.querySelectorAll('table.gad-table')].map(t => t.textContent).join()"
IDLE = f"!!document.querySelector('{screenshot.IDLE}')"
Choice = Callable[[Page], Locator]


def radio(name: str) -> Choice:
    """One of several values side by side."""
    return lambda page: page.get_by_role("radio", name=name, exact=True)


def listed(label: str) -> Choice:
    """The next value of a list, which is opened beforehand."""
    return lambda page: page.locator("[data-testid=stSelectbox]").filter(has_text=label).locator("input")


CHOICES: dict[str, dict[str, Choice]] = {
    "leaderboard": {"metric": radio("AUPRC ↑"), "K": radio("4")},
    "shots": {"metric": radio("AUPRC ↑"), "bands": radio("training seeds")},
    "ablations": {"metric": radio("AUPRC ↑"), "K": radio("4")},
    "compare": {
        "metric": radio("AUPRC ↑"),
        "K": radio("4"),
        "by": radio("category"),
        "bootstrap": listed("Bootstrap on"),
    },
    "dataset": {"metric": radio("AUPRC ↑"), "method": listed("Method"), "category": radio("category-3")},
    "job": {"method": listed("Method"), "K": radio("4")},
    "runs": {},
}


class Clock:
    """Seconds since it was made: by the clock, and of processors, by this process's children (server, browser)."""

    def __init__(self) -> None:
        self.started, self.spent = time.perf_counter(), children_cpu()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self.started, children_cpu() - self.spent


def children_cpu() -> float:
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
            total += times.user + times.system
        except psutil.Error:  # it has just ended
            continue
    return total


def first_content(page: Page, address: str) -> tuple[float, float]:
    clock = Clock()
    page.goto(address)
    page.wait_for_selector(CONTENT)
    return clock.read()


def change(page: Page, choice: Choice) -> tuple[float, ...]:
    """Time from a choice to other figures on screen, and until the page has done; both by clock and processors."""
    widget = choice(page).first
    is_button = widget.get_attribute("role") == "radio"
    if not is_button:
        widget.click()
        widget.press("ArrowDown")
    before = page.evaluate(SHOWN)
    clock = Clock()
    if is_button:
        widget.click()
    else:
        widget.press("Enter")
    page.wait_for_function(f"before => {SHOWN} !== before", arg=before, polling=20)
    changed = clock.read()
    page.wait_for_function(IDLE, polling=20)
    return (*changed, *clock.read())


def medians(lines: list[tuple[float, ...]]) -> list[str]:
    """``0.31 s (0.22)`` for each pair of columns."""
    columns = [median(column) for column in zip(*lines, strict=True)]
    pairs = zip(columns[::2], columns[1::2], strict=True)
    return [f"{wall:.2f} s ({spent:.2f})" for wall, spent in pairs]


def measure(page: Page, address: str, name: str) -> None:
    """Print the lines of one page."""
    first_content(page, address)
    (first,) = medians([first_content(page, address) for _ in range(REPEATS)])
    print(f"{name:12}{first:>18}", flush=True)
    for label, choice in CHOICES[name].items():
        times = []
        for _ in range(REPEATS):
            first_content(page, address)
            page.wait_for_function(IDLE)
            page.wait_for_timeout(REST_MS)
            times.append(change(page, choice))
        changed, whole = medians(times)
        print(f"{'':30}{label:>12}{changed:>18}{whole:>18}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--scores", type=int, default=3000, help="of each job")
    parser.add_argument("--page", choices=PAGES, action="append", help="only these pages")
    given = parser.parse_args()
    if not (given.folder / "results.duckdb").exists():
        print(f"{pages_store.make(given.folder, given.jobs, given.scores):,} scores generated")
    with running(Folders(given.folder)) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=screenshot.find_browser(), args=list(screenshot.ARGUMENTS)
        )
        page = browser.new_page()
        page.set_default_timeout(60_000)
        print(f"{'page':12}{'first content':>18}{'choice':>12}{'changed':>18}{'all of it':>18}")
        for name in given.page or PAGES:
            measure(page, f"{address}/{'' if name == DEFAULT else name}", name)
        browser.close()
    print(f"asked for: first content under {FIRST_S} s, a changed choice under {CHANGE_S} s")
    print(f"{os.cpu_count()} cores; load of the machine meanwhile: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
