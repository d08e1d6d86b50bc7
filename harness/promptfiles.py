"""Prompt sets as files: exported, edited by hand, imported, and named by a grid instead of seeds.

    {"dataset": "visa", "fingerprint": "...", "source": "...",
     "sets": [{"seed": 0, "prompts": {"candle": [{"id": "candle/...", "digest": "..."}, ...], ...}}, ...]}

The first K of a category are its prompts for K shots. Ids and digests must be those of normal train images.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from gad.harness import ids, manifest, prompts
from gad.harness.errors import DataError, GridError
from gad.harness.manifest import Prepared
from gad.harness.nouns import Frozen, PromptSet, Sample


class Entry(Frozen):
    id: str
    digest: str


class DrawnSet(Frozen):
    """One draw: the prompts of each category, in order. ``seed`` tells several draws of a file apart."""

    seed: int = 0
    prompts: dict[str, tuple[Entry, ...]]


class PromptFile(Frozen):
    dataset: str
    fingerprint: str
    source: str
    sets: tuple[DrawnSet, ...]

    @property
    def rule(self) -> str:
        """What stands in the column key in place of the rule that draws prompts."""
        return "imported " + ids.digest([drawn.model_dump(mode="json") for drawn in self.sets])

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(drawn.seed for drawn in self.sets)


def export(prepared: Prepared, shots: int, seeds: Iterable[int]) -> PromptFile:
    """What grids draw: the first ``shots`` of every category (fewer where there are fewer) for each seed."""
    normals = manifest.read_samples(prepared, split="train", label=0)
    names = [category.category for category in prepared.categories]
    sets = []
    for seed in seeds:
        drawn = {
            name: prompts.draw(prepared.name, name, seed, [s for s in normals if s.category == name], shots)
            for name in names
        }
        entries = {
            name: tuple(Entry(id=s.id, digest=s.digest) for s in found.samples)
            for name, found in drawn.items()
        }
        sets.append(DrawnSet(seed=seed, prompts=entries))
    return PromptFile(
        dataset=prepared.name, fingerprint=prepared.fingerprint, source=prompts.RULE, sets=tuple(sets)
    )


def read(path: Path) -> PromptFile:
    """Raises GridError for a file that is not there or is not a prompt file."""
    fix = "`harness prompts export` writes one."
    try:
        found = PromptFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise GridError(f"prompts {path}: {error.strerror or error}", fix=fix) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise GridError(
            f"prompts {path}: not a prompt file ({place}{': ' if place else ''}{first['msg']})", fix=fix
        ) from error
    if not found.sets or len(set(found.seeds)) < len(found.sets):
        raise GridError(f"prompts {path}: every set needs a seed of its own", fix=fix)
    return found


def prompt_set(file: PromptFile, category: str, seed: int, normals: Iterable[Sample]) -> PromptSet:
    """One category's prompts as samples. Raises DataError for an id or image that is no normal train image."""
    known = {sample.id: sample for sample in normals}
    (drawn,) = (each for each in file.sets if each.seed == seed)
    samples = []
    for entry in drawn.prompts.get(category, ()):
        sample = known.get(entry.id)
        if sample is None:
            raise DataError(
                f"prompts of {file.dataset}: {entry.id} is no normal train image of category {category}",
                fix="Import or export the prompts again from the dataset as it is prepared now.",
            )
        if sample.digest != entry.digest:
            raise DataError(
                f"prompts of {file.dataset}: {entry.id} is another image than when the prompts were written",
                fix="Import or export the prompts again from the dataset as it is prepared now.",
            )
        if sample in samples:
            raise DataError(
                f"prompts of {file.dataset}: {entry.id} is there twice in category {category}",
                fix="Every prompt is another image.",
            )
        samples.append(sample)
    return PromptSet(dataset=file.dataset, category=category, seed=seed, samples=tuple(samples))
