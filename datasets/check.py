"""Is a prepared dataset still what it was, and is it what it should be?

A problem is one line. It starts with ``error: `` when images cannot be read as they were prepared, else
with ``warning: ``; it names the file and says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gad.datasets import catalog
from gad.datasets.check_duplicates import duplicates
from gad.datasets.check_masks import presence
from gad.datasets.expected import count_differences
from gad.datasets.prepare import folder_of
from gad.harness import manifest
from gad.harness.errors import DataError
from gad.harness.manifest import Prepared
from gad.harness.nouns import Sample

ERROR = "error: "
WARNING = "warning: "


def is_error(problem: str) -> bool:
    return problem.startswith(ERROR)


def check(prepared: Prepared, data: Path, full: bool = False) -> list[str]:
    """Problems of a prepared dataset, errors first; an empty list when there are none.

    Looks at counts, missing and empty files, images that are there more than once (in train and test at
    once: a leak), and masks that are missing or doubled. ``full`` also reads every file: changed bytes, images
    that cannot be decoded, masks that do not fit, images that look the same. It costs a decode of the dataset.
    """
    again = _again(prepared, data)
    try:
        samples = manifest.read_samples(prepared)
    except DataError as error:
        return [ERROR + str(error).replace("\n", " ")]
    if not prepared.root_path.is_dir():
        return [f"{ERROR}{prepared.root_path} is missing: put the raw folder back there, or {again}"]
    problems = [] if manifest.fingerprint(samples) == prepared.fingerprint else [_altered(prepared, again)]
    problems += _missing(prepared, samples, again)
    if full:
        from gad.datasets.check_images import file_problems

        problems += file_problems(prepared.root_path, samples, again)
    info = catalog.DATASETS.get(prepared.name)
    noted = [*prepared.warnings, *(count_differences(info, prepared.categories) if info else [])]
    problems += [WARNING + text for text in noted]
    problems += presence(samples, prepared.warnings, prepared.root_path)
    problems += duplicates(samples)
    return sorted(dict.fromkeys(problems), key=lambda problem: not is_error(problem))


def _again(prepared: Prepared, data: Path) -> str:
    name = prepared.name if prepared.name in catalog.DATASETS else str(folder_of(prepared))
    raw = " --raw DIR" if prepared.name in catalog.DATASETS and prepared.root != "." else ""
    return f"prepare it again (harness data prepare {name}{raw} --data {data})"


def _altered(prepared: Prepared, again: str) -> str:
    return f"{ERROR}{prepared.manifest_path} was altered: its rows do not give the fingerprint; {again}"


def _missing(prepared: Prepared, samples: Iterable[Sample], again: str) -> list[str]:
    """Files of the manifest that are not on disk (errors), or hold nothing (errors too: unreadable)."""
    from gad.harness.images import mask_paths

    problems = []
    kinds = dict.fromkeys((s.path, "image") for s in samples) | dict.fromkeys(
        (path, "mask") for s in samples for path in mask_paths(s.mask)
    )
    for path, kind in kinds:
        file = prepared.root_path / path
        if not file.is_file():
            problems.append(f"{ERROR}{kind} {file} is missing: restore it, or {again}")
        elif file.stat().st_size == 0:
            problems.append(
                f"{ERROR}{kind} {file} is empty (0 bytes): restore it from the download, then {again}"
            )
    return problems
