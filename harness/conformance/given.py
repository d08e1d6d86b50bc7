"""From NAME_OR_PATH on the command line to the models that are to be checked."""

from __future__ import annotations

import contextlib
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from gad.harness.errors import ModelError, UsageError, did_you_mean
from gad.harness.executor.loaded import load
from gad.harness.nouns import ModelInfo
from gad.harness.registry import GROUP, Model, Registry


def models(given: str, known: Registry) -> list[tuple[Model, str]]:
    """Each model with the folder to import it from (empty: it is installed).

    A registered name comes before a folder of that name. UsageError for what is neither, ModelError for a
    package that cannot be loaded.
    """
    if known.knows(given):
        return [(known.find(given), "")]
    folder = Path(given).resolve()
    if folder.is_dir():
        return list(_in(folder))
    raise UsageError(
        f"{given!r} is neither a model nor a folder.{did_you_mean(given, sorted(known.models))}",
        fix="`harness models list` shows every model; a package is named by the folder of its pyproject.toml.",
    )


def _in(folder: Path) -> Iterator[tuple[Model, str]]:
    """The models that a package's pyproject.toml registers; it need not be installed."""
    project = folder / "pyproject.toml"
    try:
        table = tomllib.loads(project.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no pyproject.toml in {folder}",
            fix="`harness models new` writes a package to begin with.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{project} cannot be read: {error}", fix="Mend it.") from error
    project_table = table.get("project", {})
    entries = project_table.get("entry-points", {}).get(GROUP, {})
    if not entries:
        raise UsageError(
            f'{project} registers no model: it has no [project.entry-points."{GROUP}"]',
            fix="See docs/adding-a-model.md.",
        )
    source = folder / "src"
    home = str(source if source.is_dir() else folder)
    for name, reference in entries.items():
        yield (
            Model(_info(name, reference, home), reference, str(project_table.get("name", folder.name))),
            home,
        )


def _info(name: str, reference: str, home: str) -> ModelInfo:
    sys.path.insert(0, home)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            info = load(reference)
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"model {name!r} cannot be loaded: {reference}: {type(error).__name__}: {error}", fix="Mend it."
        ) from error
    finally:
        sys.path.remove(home)
    if not isinstance(info, ModelInfo) or info.name != name:
        raise ModelError(
            f"{reference} is not a ModelInfo named {name!r}",
            fix="The entry point and the card's name have to agree.",
        )
    return info
