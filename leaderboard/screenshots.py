"""Pictures of every page for the documentation: light, dark, and as on a phone.

python -m gad.leaderboard.screenshots --results FOLDER [--data D --cache C] --out docs/pages [--page NAME]
       [--look light] [--prefix demo-] [--no-images]

PNGs of few colours and of limited height, so that all of them together stay small.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from gad.harness.errors import HarnessError
from gad.harness.store import read, recorded
from gad.leaderboard import screenshot
from gad.leaderboard.pages.app import DEFAULT, PAGES
from gad.leaderboard.serve import Folders, running

LOOKS = {"light": (1180, False), "dark": (1180, True), "phone": (390, False)}  # width in pixels, dark
HIGHEST = {"light": 2100, "dark": 1100, "phone": 1100}  # pixels; what is below is cut off
COLOURS = 256


def take(
    folders: Folders, out: Path, pages: list[str], looks: list[str], prefix: str = "", images: bool = True
) -> Iterator[Path]:
    """Take the pictures, one after the other: ``out/PREFIXPAGE-LOOK.png``. ``images``: show the dataset's."""
    out.mkdir(parents=True, exist_ok=True)
    queries = {"dataset": _with_maps(folders.results)}
    with running(folders) as (address, _), screenshot.browser() as opened:
        for page in pages:
            for look in looks:
                place = f"{address}/{'' if page == DEFAULT else page}?{queries.get(page, '')}"
                path = out / f"{prefix}{page}-{look}.png"
                width, dark = LOOKS[look]
                png = screenshot.shoot(opened, place, width=width, dark=dark, scale=1, images=images)
                path.write_bytes(small(png, HIGHEST[look]))
                yield path


def _with_maps(results: Path) -> str:
    """The query of a page on a dataset whose heat maps were kept, of a middling part; empty where none were."""
    kept = {part for part, (_, file) in recorded.maps_kept(results).items() if file}
    lines = [row for row in read.results(results, "category") if row["part_id"] in kept and row["auroc"]]
    if not lines:
        return ""
    lines.sort(key=lambda row: (row["model"] == "patchcore", row["auroc"]))  # whose maps are easily read
    shown = lines[-len(lines) // 6]
    fields = {name: shown[name] for name in ("dataset", "category", "seed")}
    asked = {**fields, "method": shown["method_key"], "k": shown["shots"], "images": "missed"}
    return "&".join(f"{name}={value}" for name, value in asked.items())


def small(png: bytes, highest: int) -> bytes:
    """The same picture with few colours, and no more than ``highest`` pixels of its height."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, highest)))
    out = io.BytesIO()
    few = image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE, kmeans=3)
    few.save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Take pictures of the leaderboard's pages.")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--page", choices=PAGES, action="append")
    parser.add_argument("--look", choices=LOOKS, action="append")
    parser.add_argument("--prefix", default="", help="of the files' names")
    parser.add_argument(
        "--no-images", action="store_true", help="for datasets whose terms do not let them be shown"
    )
    given = parser.parse_args()
    folders = Folders(given.results, given.data, given.cache)
    pages, looks = given.page or list(PAGES), given.look or list(LOOKS)
    try:
        for path in take(folders, given.out, pages, looks, given.prefix, not given.no_images):
            print(f"{path} {path.stat().st_size // 1024} KB", flush=True)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
