"""Taking over what another results folder holds: a grid that ran in halves on two machines becomes one table.

Its files are copied, never its database. Each is named by what it holds, so what is here already is not copied, and
one that is damaged is left there. Maps and manifests come before the segments and runs that name them: what was
copied of an import that was interrupted is whole, and importing again goes on. Of a part that both folders hold one
record counts, whichever was copied first (:mod:`gad.harness.store.filling`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gad.harness import atomic
from gad.harness.errors import StoreError, UsageError
from gad.harness.store import ingest, manifests, mapfiles, recorded, runs, segments
from gad.harness.store.layout import Layout


@dataclass
class Taken:
    """What an import did: files ``copied``, those that were here ``before``, those that are ``damaged`` there, and how
    many parts the database has gained."""

    copied: int = 0
    before: int = 0
    damaged: list[Path] = field(default_factory=list)
    parts: int = 0


def take(source: Path, results: Path) -> Taken:
    """Copy what ``source`` holds and ``results`` lacks, and bring the database up to date.

    Raises UsageError where there are no results to take, or both are one folder; StoreError where they cannot be
    read or written.
    """
    if not any(Layout(source).runs.glob("*.json")):
        raise UsageError(
            f"there are no results in {source}: it has no runs/*.json",
            fix="Name the folder that `harness submit --results` wrote.",
        )
    if source.resolve() == results.resolve():
        raise UsageError(f"{source} is the results folder itself", fix="Name another one with --results DIR.")
    taken = Taken()
    try:
        Layout(results).make()
        had = len(recorded.part_states(results))
        for path, whole in _files(Layout(source)):
            _copy(path, Layout(results).root / path.relative_to(source), whole, taken)
    except OSError as error:
        raise StoreError(
            f"results cannot be copied: {error.filename}: {error.strerror or error}",
            fix="Mend that, and import again: what was copied stays.",
        ) from error
    ingest.ingest_all(results)
    taken.parts = len(recorded.part_states(results)) - had
    return taken


def _files(there: Layout) -> Iterator[tuple[Path, Callable[[Path], bool]]]:
    """The files of a results folder, with what tells whether one is whole, in the order to copy them in."""
    kinds: list[tuple[Path, str, Callable[[Path], bool]]] = [
        (there.maps, "*.safetensors", mapfiles.is_whole),
        (there.manifests, "*.parquet", manifests.is_readable),
        (there.segments, "*.parquet", segments.is_whole),
        (there.runs, "*.json", lambda path: runs.read(path) is not None),
    ]
    for folder, pattern, whole in kinds:
        for path in sorted(folder.glob(pattern)):
            if not path.name.startswith(atomic.TEMPORARY):
                yield path, whole


def _copy(path: Path, target: Path, whole: Callable[[Path], bool], taken: Taken) -> None:
    if target.exists():
        taken.before += 1
    elif not path.is_file() or not whole(path):
        taken.damaged.append(path)
    else:
        atomic.make_folder(target.parent)
        atomic.copy_file(path, target)
        taken.copied += 1
