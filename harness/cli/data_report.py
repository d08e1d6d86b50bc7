"""What ``harness data`` prints of one dataset: counts against the expected ones, problems, its card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gad.harness.cli.common import print_json, print_table, printable

if TYPE_CHECKING:
    from gad.harness.manifest import Prepared

COLUMNS = ("train_normal", "test_normal", "test_anomalous")


def report(prepared: Prepared, problems: list[str], as_json: bool, clean: str = "no problems") -> None:
    """Counts and problems, as a table or as JSON alone."""
    from gad.datasets import describe
    from gad.datasets.expected import official as compare

    official = compare(prepared)
    info = describe.of_prepared(prepared)
    wanted = {category.category: describe.counts_of(category) for category in info.expected}
    categories: list[dict[str, Any]] = [
        {"category": c.category, **describe.counts_of(c), "expected": wanted.get(c.category)}
        for c in prepared.categories
    ]
    if as_json:
        print_json(
            {
                "dataset": prepared.name,
                "fingerprint": prepared.fingerprint,
                "official": official or None,
                "root": str(prepared.root_path),
                "categories": categories,
                "problems": problems,
            }
        )
        return
    title = f"{prepared.name}  fingerprint {prepared.fingerprint[:16]}"
    counts(categories, info.about, title + (f"  {official}" if official else ""))
    print_problems(problems, clean)


def counts(categories: list[dict[str, Any]], about: tuple[str, ...] | list[str], title: str) -> None:
    """A table of images by category; where another number is expected, that is said beside it."""
    print_table(
        ["category", *(column.replace("_", " ") for column in COLUMNS)],
        [
            [category["category"], *(_count(category, column, column in about) for column in COLUMNS)]
            for category in categories
        ],
        title=title,
    )


def _count(category: dict[str, Any], column: str, roughly: bool) -> str:
    found, expected = category[column], (category["expected"] or {}).get(column)
    if expected is None or found == expected:
        return str(found)
    return f"{found} (expected {'about ' if roughly else ''}{expected})"


def card(said: dict[str, Any]) -> None:
    """A dataset's card as text."""
    state = "" if said["prepared"] else "  (not prepared: counts are those of the official set)"
    counts(said["categories"], said["roughly_known"], f"{said['dataset']}: {said['title']}{state}")
    images = said["images"]
    rows = [
        ("protocol", said["protocol"]),
        ("class texts", _texts(said["categories"])),
        ("images", _images(images) if images else None),
        ("sizes", _sizes(images["sizes"]) if images else None),
        (
            "modes",
            ", ".join(f"{mode} {count}" for mode, count in images["modes"].items()) if images else None,
        ),
        ("split", said["split"]),
        ("authors' split", said["authors_split"]),
        ("licence", said["licence"]),
        ("citation", said["citation"]),
        ("source", said["source"]),
        ("images are in", said["root"]),
        ("fingerprint", said["fingerprint"]),
        ("official set", said["official"] or said["official_fingerprint"]),
    ]
    print_table(["about", ""], [[name, str(value)] for name, value in rows if value])
    print_problems([f"warning: {warning}" for warning in said["warnings"]], "")


def _texts(categories: list[dict[str, Any]]) -> str:
    texts = [category["text"] for category in categories]
    return ", ".join(texts[:15]) + (f" and {len(texts) - 15} more" if len(texts) > 15 else "")


def _images(images: dict[str, Any]) -> str:
    told = f"{images['distinct']} in {images['files']} files, {images['with_mask']} with a mask"
    return told + (f", {images['unreadable']} unreadable" if images["unreadable"] else "")


def _sizes(sizes: dict[str, Any]) -> str:
    listed = ", ".join(f"{s['width']}x{s['height']} ({s['images']})" for s in sizes["common"])
    if sizes["kinds"] <= len(sizes["common"]):
        return listed
    smallest, largest = ("x".join(map(str, sizes[end])) for end in ("smallest", "largest"))
    return f"{sizes['kinds']} sizes from {smallest} to {largest}; most often {listed}"


def print_problems(problems: list[str], clean: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    for problem in problems:
        style = "red" if problem.startswith("error") else "yellow"
        console.print(Text(printable(problem), style=style))  # Text: brackets in file names are no markup
    if not problems and clean:
        console.print(clean, style="green")
