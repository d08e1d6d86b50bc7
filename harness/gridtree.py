"""What a YAML file holds, as a small tree of values that know their line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gad.harness.gridproblems import quoted, short, visible


@dataclass(frozen=True)
class Leaf:
    """A single value; ``text`` is how the file spells it, ``number`` what a text like ``1e-3`` amounts to."""

    line: int
    value: str | int | float | bool | None
    text: str
    number: float | None = None


@dataclass(frozen=True)
class Items:
    """A list."""

    line: int
    items: tuple[Tree, ...]


@dataclass(frozen=True)
class Entries:
    """A mapping with text keys. The line of an entry's value is that of its key."""

    line: int
    entries: dict[str, Tree] = field(default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """Stands for something that was already reported, so that it is not reported again."""

    line: int


Tree = Leaf | Items | Entries | Broken


def shown(tree: Tree) -> str:
    """A value as a message shows it."""
    if isinstance(tree, Leaf):
        if tree.value is None:
            return "nothing"
        is_text = isinstance(tree.value, str) and tree.number is None
        return quoted(tree.text) if is_text else short(visible(tree.text))
    return "a list" if isinstance(tree, Items) else "a mapping"


def plain(tree: Tree) -> Any:
    """The value without its lines, for JSON."""
    if isinstance(tree, Items):
        return [plain(item) for item in tree.items]
    if isinstance(tree, Entries):
        return {key: plain(value) for key, value in tree.entries.items()}
    return tree.value if isinstance(tree, Leaf) else None


def broken(tree: Tree) -> bool:
    """Whether the value or anything inside it was already reported."""
    if isinstance(tree, Items):
        return any(broken(item) for item in tree.items)
    if isinstance(tree, Entries):
        return any(broken(value) for value in tree.entries.values())
    return isinstance(tree, Broken)
