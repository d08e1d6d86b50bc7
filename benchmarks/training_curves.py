"""Loss curves of trainings as one picture and a table: those of docs/ablations.md.

    python benchmarks/training_curves.py --out FILE.svg TITLE=DIR/training.json ...

Reads what `harness train` leaves (or a grid, in its cache: trainings/*/training.json). The picture has the
loss of every step, and its mean over an epoch; the table, in Markdown on standard output, has those means.
"""

from __future__ import annotations

import argparse
import json
import statistics
from html import escape
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 360, 200, 44, 34, 28
COLOUR, PALE = "#1f5fa8", "#b9cfe8"


def epochs(losses: list[float], count: int) -> list[float]:
    """Means of so many equal shares of the losses.

    >>> epochs([1.0, 3.0, 5.0, 7.0], 2)
    [2.0, 6.0]
    """
    size = len(losses) // count
    return [statistics.fmean(losses[start : start + size]) for start in range(0, size * count, size)]


def panel(title: str, losses: list[float], means: list[float], top: float, left: int) -> str:
    """One curve with its axes, as SVG. ``top`` is the largest loss of all panels."""

    def across(step: float) -> float:
        return round(left + LEFT + step / len(losses) * (WIDTH - LEFT - 16), 1)

    def down(loss: float) -> float:
        return round(TOP + (1 - loss / top) * (HEIGHT - TOP - BOTTOM), 1)

    def line(points: list[tuple[float, float]], look: str) -> str:
        places = " ".join(f"{across(step)},{down(loss)}" for step, loss in points)
        return f'<polyline points="{places}" fill="none" {look}/>'

    size, last = len(losses) / len(means), len(losses)
    losses_axis = "".join(
        f'<text x="{left + LEFT - 6}" y="{down(loss) + 4}" text-anchor="end">{loss:.1f}</text>'
        for loss in (0.0, top / 2, top)
    )
    steps_axis = "".join(
        f'<text x="{across(step)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{step}</text>'
        for step in (0, last // 2, last)
    )
    middles = [((number + 0.5) * size, mean) for number, mean in enumerate(means)]
    return (
        f'<text x="{left + LEFT}" y="16" font-weight="bold">{escape(title)}</text>{losses_axis}{steps_axis}'
        + line([(0, top), (0, 0), (last, 0)], 'stroke="#888"')
        + line(list(enumerate(losses, start=1)), f'stroke="{PALE}"')
        + line(middles, f'stroke="{COLOUR}" stroke-width="2"')
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Loss curves of trainings, as a picture and a table.")
    parser.add_argument("--out", type=Path, required=True, help="SVG file to write")
    parser.add_argument("trainings", nargs="+", metavar="TITLE=FILE")
    asked = parser.parse_args()
    found = {}
    for item in asked.trainings:
        title, _, path = item.rpartition("=")
        story = json.loads(Path(path).read_text())
        found[title] = story["losses"], epochs(story["losses"], story["options"]["epochs"])
    top = max(max(losses) for losses, _ in found.values())
    panels = [
        panel(title, losses, means, top, place * WIDTH)
        for place, (title, (losses, means)) in enumerate(found.items())
    ]
    asked.out.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(found)}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(panels)}</svg>\n"
    )
    most = max(len(means) for _, means in found.values())
    print("| epoch |" + "|".join(f" {number} " for number in range(1, most + 1)) + "|")
    print("|---" * (most + 1) + "|")
    for title, (_, means) in found.items():
        print(f"| {title} |" + "|".join(f" {mean:.3f} " for mean in means) + "|")


if __name__ == "__main__":
    main()
