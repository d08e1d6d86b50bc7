"""Collects everything that is wrong with a grid file, each thing with its line and its place."""

from __future__ import annotations

import re

from gad.harness.errors import GridError

LONGEST = 80
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Problems:
    """What was found wrong in one file, reported in the order of its lines."""

    def __init__(self, file: str) -> None:
        self.file = visible(file)
        self._found: list[tuple[int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, line: int, path: str, message: str, hint: str = "") -> None:
        """Note a problem. ``path`` is empty for the file as a whole; ``hint`` starts with a space."""
        place = f"{path}: " if path else ""
        end = f".{hint}" if hint else ""
        found = (line, f"{self.file}:{line}: {place}{message}{end}")
        if found not in self._found[-3:]:  # a union of types complains once for each of its members
            self._found.append(found)

    def error(self) -> GridError:
        """Everything as one error."""
        texts = tuple(text for _, text in sorted(self._found, key=lambda found: found[0]))
        count = "1 problem" if len(texts) == 1 else f"{len(texts)} problems"
        return GridError(f"{self.file} is not a valid grid ({count}):", problems=texts)


def refused(file: str, message: str, *, fix: str = "", line: int | None = None) -> GridError:
    """The error for a file whose content could not be looked at."""
    place = visible(file) if line is None else f"{visible(file)}:{line}"
    return GridError(f"{visible(file)} cannot be read as a grid:", problems=(f"{place}: {message}",), fix=fix)


def visible(text: str) -> str:
    """``text`` with control characters, terminal escapes and the like spelled out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def short(text: str) -> str:
    """``text`` cut to a length that fits a message."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def quoted(text: str) -> str:
    """A string from the file as a message shows it."""
    # Cut first: a megabyte need not be escaped to show eighty characters of it.
    return short(repr(text[: LONGEST + 1]))


def below(path: str, key: str | int) -> str:
    """The place ``key`` inside ``path``: ``shots[2]``, ``limits.part_seconds``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not _PLAIN_KEY.fullmatch(key) or len(key) > LONGEST:
        return f"{path}[{quoted(key)}]"
    return f"{path}.{key}" if path else key
