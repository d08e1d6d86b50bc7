"""A picture of the leaderboard, for the documentation and for looking at it.

python -m gad.leaderboard.screenshot --results FOLDER --out docs/leaderboard.png [--dark] [--width 1280]
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gad.harness.errors import HarnessError
from gad.leaderboard.serve import Folders, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
DRAWN = """() => !document.querySelector('[data-testid=stSkeleton]')
  && document.querySelectorAll('[data-testid=stPlotlyChart]').length
  == document.querySelectorAll('.js-plotly-plot > .plot-container').length"""
NOT_SHOWN = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100'%3E%3Ctext x='50' y='53' "
    "text-anchor='middle' font-family='sans-serif' font-size='9' fill='%23888'%3Enot shown here%3C/text%3E%3C/svg%3E"
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find_browser() -> str | None:
    """The system's Chromium, or None: then Playwright uses the one that it installed itself."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium. Raises HarnessError where there is none."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise HarnessError("screenshots need Playwright", fix="Install it: pip install playwright") from error
    with sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(executable_path=find_browser(), args=list(ARGUMENTS))
        except Error as error:
            fix = "Install Chromium, or run `playwright install chromium`."
            raise HarnessError(f"no browser: {error.message.splitlines()[0]}", fix=fix) from error
        yield found
        found.close()


def shoot(
    opened: Browser,
    address: str,
    *,
    width: int = 1280,
    dark: bool = False,
    scale: int = 2,
    images: bool = True,
) -> bytes:
    """A PNG of the whole page, as high as it is; ``scale`` pixels for each of CSS's.

    Without ``images`` a word stands in place of each of the dataset's.
    """
    page = opened.new_page(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        device_scale_factor=scale,
    )
    page.set_default_timeout(120_000)  # for busy machines
    page.goto(address)
    if not images:
        page.add_style_tag(content=f'.gad-gallery img {{ content: url("{NOT_SHOWN}"); }}')
    _settle(page)
    png = page.screenshot()
    page.close()
    return png


def _settle(page: Page) -> None:
    """Wait until everything is drawn and make the window as high as the page, which scrolls inside."""
    page.wait_for_selector(".gad-table, .gad-notice, .gad-nothing")
    page.wait_for_selector(IDLE)
    page.wait_for_function(DRAWN)
    height: Any = page.evaluate("document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": int(height)})  # type: ignore[index]
    page.wait_for_timeout(1500)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Take a picture of the leaderboard.")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--page", default="", help="for instance shots or job")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--query", default="", help="for instance k=4&metric=auprc")
    given = parser.parse_args()
    try:
        folders = Folders(given.results, given.data, given.cache)
        with running(folders) as (address, _), browser() as opened:
            place = f"{address}/{given.page}?{given.query}"
            png = shoot(opened, place, width=given.width, dark=given.dark)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_bytes(png)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
