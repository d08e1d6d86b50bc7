"""Reads a grid file: YAML in, ``Grid`` out, or a ``GridError`` that names every problem with its line."""

from __future__ import annotations

from pathlib import Path

from gad.grids.shipped import paths
from gad.harness import gridyaml
from gad.harness.errors import GridError, did_you_mean
from gad.harness.gridcheck import check
from gad.harness.gridnames import Known
from gad.harness.gridproblems import Problems, refused
from gad.harness.gridtree import Leaf
from gad.harness.nouns import Grid

__all__ = ["Known", "load", "parse", "shipped"]

MOST_BYTES = 1_000_000


def shipped() -> dict[str, Path]:
    """The grids that come with the package, by name."""
    return paths()


def load(source: Path | str, known: Known) -> Grid:
    """The grid in a file, or the one that ships under the name ``source``.

    Text that is the name of a shipped grid means that grid; ``./demo`` or a ``Path`` is always a file.
    A shipped grid takes its dataset folders, should it name any, from the working directory.
    """
    if isinstance(source, str) and (entry := shipped().get(source)):
        return _parse_bytes(entry.read_bytes(), known, file=entry.name, folder=Path.cwd())
    if not str(source):
        raise refused("''", "no grid was named", fix=_fix())
    path = _home(Path(source))
    return _parse_bytes(_read(path, str(source)), known, file=str(source), folder=path.parent)


def parse(text: str, known: Known, *, file: str, folder: Path) -> Grid:
    """The grid that ``text`` spells. Messages call it ``file``; relative paths start from ``folder``."""
    if len(text) > MOST_BYTES:
        raise _too_large(file)
    problems = Problems(file)
    tree = gridyaml.read(text, problems)
    if problems and tree is None:
        raise problems.error()
    if tree is None or (isinstance(tree, Leaf) and tree.value is None):
        raise refused(file, "the file is empty", fix=_fix())
    grid = check(tree, known, problems, name=Path(file).stem, folder=folder)
    if grid is None or problems:
        raise problems.error()
    return grid


def _parse_bytes(data: bytes, known: Known, *, file: str, folder: Path) -> Grid:
    if len(data) > MOST_BYTES:
        raise _too_large(file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        said = f"not UTF-8 text (byte 0x{data[error.start]:02x})"
        raise refused(file, said, line=line, fix="Save the file as UTF-8.") from None
    return parse(text, known, file=file, folder=folder)


def _read(path: Path, name: str) -> bytes:
    try:
        # A limit, not the size that the file claims: it may be a pipe or a device.
        with path.open("rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise refused(name, f"there is no such file{_near(path, name)}", fix=_fix()) from None
    except IsADirectoryError:
        raise refused(name, "this is a folder; a grid is a YAML file", fix=_fix()) from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise refused(name, f"the file cannot be opened: {reason}", fix=_fix()) from None


def _near(path: Path, name: str) -> str:
    """What may have been meant by the name of a file that is not there."""
    for suffix in (".yaml", ".yml"):
        if path.with_name(path.name + suffix).is_file():
            return f". Did you mean {name + suffix!r}?"
    stem = path.name.removesuffix(".yaml").removesuffix(".yml")
    hint = did_you_mean(stem, list(shipped()))
    return f".{hint}" if hint else ""


def _fix() -> str:
    return f"Grids that ship: {', '.join(shipped())}. Any other is the path of a YAML file."


def _home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # "~nobody"
        return path


def _too_large(file: str) -> GridError:
    return refused(file, f"the file is larger than {MOST_BYTES // 1_000_000} MB; a grid is a page of text")
