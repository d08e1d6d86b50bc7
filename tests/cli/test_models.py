"""`harness models list` and `show` with options of every kind."""

from __future__ import annotations

import json
import re
from pathlib import Path

from support import Bench, write_hostile

ODD = """
from enum import Enum
from pathlib import Path
from pydantic import Field

class Colour(Enum):
    RED = "red"

class Odd:
    def __str__(self): return "odd [red]"

class Hostile:
    def __str__(self): raise ValueError

def broken(): raise ValueError

class Options(Frozen):
    needed: int
    raw: bytes = b"ab"
    binary: bytes = b"\\xff\\x00"
    place: Path = Path("some/where")
    colour: Colour = Colour.RED
    odd: object = Odd()
    hostile: object = Hostile()
    infinite: float = float("inf")
    inside: tuple = (1, float("nan"))
    made: list = Field(default_factory=lambda: [1])
    seen: int = Field(default_factory=lambda data: data["needed"])
    breaks: int = Field(default_factory=broken)
"""


def test_odd_options(tmp_path: Path) -> None:
    path = write_hostile(tmp_path / "site")
    info = path / "hostile_models/info.py"
    before, after = info.read_text().split("class Options(Frozen):")
    info.write_text(before + ODD + after[after.index("\ndef inputs") :])
    bench = Bench(tmp_path, path=path)
    ended = bench.run("models", "list", "--json")
    (row,) = [row for row in json.loads(ended.stdout) if row["name"] == "hostile"]
    binary, hostile, breaks = (row["options"].pop(name) for name in ("binary", "hostile", "breaks"))
    assert row["options"] == {
        "needed": "required",
        "raw": "ab",
        "place": "some/where",
        "colour": "red",
        "odd": "odd [red]",
        "infinite": "inf",
        "inside": [1, "nan"],
        "made": [1],
        "seen": "computed",
    }
    assert all("cannot be shown" in value for value in (binary, hostile, breaks))
    assert row["needs"] == "not known under default options (ValueError)"
    shown = bench.run("models", "show", "hostile")
    assert re.search(r"needed +required +int", shown.stdout)
    assert "Undefined" not in shown.stdout
    assert shown.stderr == ""
