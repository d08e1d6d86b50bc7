"""How quick the leaderboard's pages are on a generated store, in a real browser.

    python benchmarks/pages.py FOLDER [--jobs 5000 --scores 3000]

Prints for each page the time from asking for the address to the first table or figure (the second visit: the
first one warms the server), and from a click to the changed content. FOLDER is filled if it is empty.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import pages_store
from playwright.sync_api import Page, sync_playwright

from gad.leaderboard import screenshot
from gad.leaderboard.pages.app import DEFAULT, PAGES
from gad.leaderboard.serve import Folders, running

FIRST_S, CHANGE_S, REPEATS = 1.5, 0.5, 3
CONTENT = ".gad-table, .gad-nothing, .js-plotly-plot"
TABLES = "[...document.querySelectorAll('table.gad-table')].map(t => t.innerText).join()"


def first_content(page: Page, address: str) -> float:
    started = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(CONTENT)
    return time.perf_counter() - started


def change(page: Page) -> float | None:
    """Seconds from choosing another metric to other figures on screen; None for a page without that choice."""
    page.wait_for_timeout(2500)
    button = page.get_by_role("radio", name="AUPRC")
    if not button.count():
        return None
    before = page.evaluate(TABLES)
    started = time.perf_counter()
    button.first.click()
    page.wait_for_function(f"before => {TABLES} !== before", arg=before, polling=20)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--scores", type=int, default=3000, help="of each job")
    given = parser.parse_args()
    if not (given.folder / "results.duckdb").exists():
        print(f"{pages_store.make(given.folder, given.jobs, given.scores):,} scores generated")
    with running(Folders(given.folder)) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=screenshot.find_browser(), args=list(screenshot.ARGUMENTS)
        )
        page = browser.new_page()
        page.set_default_timeout(60_000)
        print(f"{'page':14}{'first content':>16}{'changed choice':>18}")
        for name in PAGES:
            place = f"{address}/{'' if name == DEFAULT else name}"
            first_content(page, place)
            firsts, changes = [], []
            for _ in range(REPEATS):
                firsts.append(first_content(page, place))
                changes.append(change(page))
            known = [c for c in changes if c is not None]
            later = f"{median(known):.2f} s" if known else "no such choice"
            print(f"{name:14}{median(firsts):>14.2f} s{later:>18}", flush=True)
        browser.close()
    print(f"asked for: first content under {FIRST_S} s, a changed choice under {CHANGE_S} s")


if __name__ == "__main__":
    main()
