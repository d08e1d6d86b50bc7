"""Turns YAML text into the tree of ``gridtree``.

Nothing is constructed from tags, and what an alias expands to is counted, so a hostile file costs
neither code execution nor memory. Numbers mean what they look like: ``010`` is refused rather than read
as eight, and ``1e-3``, which is text to YAML 1.1, may stand where a number belongs.
"""

from __future__ import annotations

import math
import re

import yaml

from gad.harness.gridproblems import Problems, below, quoted, short, visible
from gad.harness.gridtree import Broken, Entries, Items, Leaf, Tree, shown

MOST_NODES = 10_000
MOST_DEPTH = 50
_MOST_DIGITS = 1_000  # far below the length at which Python refuses to convert
_YAML = "tag:yaml.org,2002:"
_KINDS = {
    "null": "nothing",
    "bool": "true or false",
    "int": "a plain decimal number; put quotes around it if it is meant to be text",
    "float": "a plain, finite decimal number; put quotes around it if it is meant to be text",
}
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]*)")


def read(text: str, problems: Problems) -> Tree | None:
    """The tree of a YAML document; ``None`` if it is empty, or cannot be read and ``problems`` says why."""
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problems.add(line, "", f"not valid YAML: the character {chr(int(error.character))!r} is not allowed")
        return None
    try:
        node = loader.get_single_node()
        return None if node is None else _Walk(problems).tree(node, "", node.start_mark.line + 1)
    except _Refused as refusal:
        problems.add(refusal.line, "", refusal.message)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problems.add(line, "", f"not valid YAML: {visible(_reason(error))[:200]}")
    except (yaml.YAMLError, ValueError, OverflowError):
        # PyYAML lets Python's own error through for an escape or a version number that is out of range.
        problems.add(loader.line + 1, "", "not valid YAML: an escape or a number is out of range")
    finally:
        loader.dispose()
    return None


def _reason(error: yaml.MarkedYAMLError) -> str:
    if error.context and error.context.startswith("expected a single document"):
        return "a second document starts here; a grid is one"
    context, start, end = error.context, error.context_mark, error.problem_mark
    if context and start and end and start.line < end.line:
        context += f" that starts on line {start.line + 1}"
    return ", ".join(filter(None, [context, error.problem]))


class _Refused(Exception):
    """The document is too large or too deep to look at any further."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class _Loader(yaml.SafeLoader):
    """Composes nodes (the pure Python loader: the C one recurses on the C stack, without a limit)."""

    depth = 0
    count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        self.count += 1
        _within_limits(self.line + 1, self.depth, self.count)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


# Not "float": what writes YAML 1.1 leaves the text "1e3" without quotes.
_Loader.add_implicit_resolver(
    f"{_YAML}scientific", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _within_limits(line: int, depth: int, count: int) -> None:
    if depth > MOST_DEPTH:
        raise _Refused(line, f"nested more than {MOST_DEPTH} levels deep")
    if count > MOST_NODES:
        raise _Refused(line, f"more than {MOST_NODES} values (with aliases written out)")


class _Walk:
    """Turns composed nodes into a tree, writing out aliases."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.count = 0
        self.inside: list[yaml.Node] = []

    def tree(self, node: yaml.Node, path: str, line: int) -> Tree:
        """``line`` is the one to report: that of the key, for a value of a mapping."""
        if any(node is outer for outer in self.inside):
            return self._bad(line, path, "an alias (*) refers to something that contains it")
        self.count += 1
        self.inside.append(node)
        _within_limits(line, len(self.inside), self.count)
        try:
            if isinstance(node, yaml.ScalarNode):
                return self._leaf(node, path, line)
            if isinstance(node, yaml.SequenceNode) and node.tag == f"{_YAML}seq":
                return self._items(node, path, line)
            if isinstance(node, yaml.MappingNode) and node.tag == f"{_YAML}map":
                return self._entries(node, path, line)
            return self._bad(line, path, _not_allowed(node.tag))
        finally:
            self.inside.pop()

    def _bad(self, line: int, path: str, message: str) -> Broken:
        self.problems.add(line, path, message)
        return Broken(line)

    def _items(self, node: yaml.SequenceNode, path: str, line: int) -> Items:
        numbered = enumerate(node.value)
        return Items(line, tuple(self.tree(n, below(path, i), n.start_mark.line + 1) for i, n in numbered))

    def _entries(self, node: yaml.MappingNode, path: str, line: int) -> Tree:
        entries: dict[str, Tree] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            at = key_node.start_mark.line + 1
            if key_node.tag == f"{_YAML}merge":
                self._bad(at, path, "merge keys (<<) are not supported; write the entries out")
                continue
            key = self.tree(key_node, path, at)
            if not isinstance(key, Leaf) or not isinstance(key.value, str):
                if not isinstance(key, Broken):
                    self._bad(at, path, f"the key {shown(key)} is not text; put quotes around it")
                continue
            name = key.value
            if name in entries:
                where = below(path, name)
                self._bad(at, where, f"the key {quoted(name)} is there twice (first on line {first[name]})")
                continue
            first[name] = at
            entries[name] = self.tree(value_node, below(path, name), at)
        return Entries(line, entries)

    def _leaf(self, node: yaml.ScalarNode, path: str, line: int) -> Tree:
        kind, text = node.tag.removeprefix(_YAML), node.value
        if kind in ("str", "timestamp", "value", "merge"):  # a date is just a name here
            return self._text(text, path, line)
        if kind == "scientific":
            return Leaf(line, text, text, _finite(text))
        if kind == "null" and text.lower() in ("", "~", "null"):
            return Leaf(line, None, text)
        if kind == "bool" and text.lower() in _Loader.bool_values:
            return Leaf(line, _Loader.bool_values[text.lower()], text)
        if kind == "int" and _DECIMAL.fullmatch(text) and len(text) <= _MOST_DIGITS:
            return Leaf(line, int(text.replace("_", "")), text)
        if kind == "float" and (number := _finite(text)) is not None:
            return Leaf(line, number, text)
        if kind in _KINDS:
            return self._bad(line, path, f"{short(visible(text))} is not {_KINDS[kind]}")
        return self._bad(line, path, _not_allowed(node.tag))

    def _text(self, text: str, path: str, line: int) -> Tree:
        try:
            # JSON, which is YAML too, writes a character beyond 16 bits as two halves: put them together.
            whole = text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            return self._bad(line, path, f"{quoted(text)} is not valid Unicode text")
        return Leaf(line, whole, whole)


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _not_allowed(tag: str) -> str:
    name = f"!!{tag.removeprefix(_YAML)}" if tag.startswith(_YAML) else tag
    return f"the tag {short(visible(name))} is not allowed in a grid"
