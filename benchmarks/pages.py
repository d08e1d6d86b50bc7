"""How quick the leaderboard's pages are on a generated store, in a real browser.

    python benchmarks/pages.py FOLDER [--jobs 5000 --scores 3000]

Prints for each page the time from asking for the address to the first table or figure (the second visit: the
first one warms the server), and for its choices the time from a click to other figures on screen and until all
of the page has followed: medians of three. FOLDER is filled if it is empty.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pages_store
from playwright.sync_api import Locator, Page, sync_playwright

from gad.leaderboard import screenshot
from gad.leaderboard.pages.app import DEFAULT, PAGES
from gad.leaderboard.serve import Folders, running

FIRST_S, CHANGE_S, REPEATS = 1.5, 0.5, 3
REST_MS = 2500  # between measurements, longer than a page's own refresh
CONTENT = ".gad-table, .gad-nothing, .js-plotly-plot"
SHOWN = "[...document.querySelectorAll('table.gad-table')].map(t => t.innerText).join()"
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
    "job": {"job": listed("Job")},
    "runs": {},
}


def first_content(page: Page, address: str) -> float:
    started = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(CONTENT)
    return time.perf_counter() - started


def change(page: Page, choice: Choice) -> tuple[float, float]:
    """Seconds from a choice to other figures on screen, and until the page has done."""
    widget = choice(page).first
    if widget.get_attribute("role") != "radio":
        widget.click()
        widget.press("ArrowDown")
    before = page.evaluate(SHOWN)
    started = time.perf_counter()
    if widget.get_attribute("role") == "radio":
        widget.click()
    else:
        widget.press("Enter")
    page.wait_for_function(f"before => {SHOWN} !== before", arg=before, polling=20)
    changed = time.perf_counter() - started
    page.wait_for_function(IDLE, polling=20)
    return changed, time.perf_counter() - started


def measure(page: Page, address: str, name: str) -> None:
    """Print the lines of one page."""
    first_content(page, address)
    firsts = [first_content(page, address) for _ in range(REPEATS)]
    print(f"{name:14}{median(firsts):>14.2f} s", flush=True)
    for label, choice in CHOICES[name].items():
        times = []
        for _ in range(REPEATS):
            first_content(page, address)
            page.wait_for_function(IDLE)
            page.wait_for_timeout(REST_MS)
            times.append(change(page, choice))
        changed, whole = (median(column) for column in zip(*times, strict=True))
        print(f"{'':14}{'':16}{label:>12}{changed:>10.2f} s{whole:>14.2f} s", flush=True)


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
        print(f"{'page':14}{'first content':>16}{'choice':>12}{'changed':>12}{'all of it':>16}")
        for name in given.page or PAGES:
            measure(page, f"{address}/{'' if name == DEFAULT else name}", name)
        browser.close()
    print(f"asked for: first content under {FIRST_S} s, a changed choice under {CHANGE_S} s")
    print(f"{os.cpu_count()} cores; load of the machine meanwhile: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
