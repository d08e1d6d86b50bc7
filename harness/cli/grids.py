"""The grid that `harness submit` and `harness plan` are given, and what `--only` keeps of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from gad.harness.nouns import Grid
    from gad.harness.plan import Only
    from gad.harness.registry import Registry


def load_grid(name: str, data: Path) -> tuple[Grid, Registry]:
    """A grid by file or shipped name, checked against every known model and dataset, those in ``data`` too."""
    from gad.datasets import catalog, own
    from gad.harness import gridfile, registry

    known = registry.load()
    return gridfile.load(name, gridfile.Known(known.infos, {**own.prepared(data), **catalog.DATASETS})), known


def parse_only(text: str, grid: Grid) -> Only | None:
    """`model=a,dataset=b,shots=4,seed=0` as a predicate; a name may be given several times (either fits).

    A folder is named by its last name, as its dataset is. UsageError for what the grid does not have.
    """
    from pathlib import Path

    from gad.harness import promptfiles
    from gad.harness.errors import UsageError, did_you_mean

    if not text:
        return None
    imported = [seed for path in grid.prompts.values() for seed in promptfiles.read(Path(path)).seeds]
    known = {
        "model": [choice.name for choice in grid.models],
        "dataset": [_dataset_name(name) for name in grid.datasets],
        "shots": [str(shots) for shots in grid.shots],
        "seed": [str(seed) for seed in dict.fromkeys([*grid.seeds, *imported])],
    }
    wanted: dict[str, set[str]] = {}
    for item in text.split(","):
        name, equals, value = (word.strip() for word in item.partition("="))
        if name not in known or not equals:
            hint = did_you_mean(name, list(known))
            raise UsageError(
                f"--only {item!r} is not NAME=VALUE with a name of {', '.join(known)}.{hint}",
                fix="For example --only model=pixel-knn,shots=4.",
            )
        if value not in known[name]:
            raise UsageError(
                f"--only {item!r}: grid {grid.name!r} has no {name} {value!r}.{did_you_mean(value, known[name])}",
                fix=f"Its {name} is one of {', '.join(dict.fromkeys(known[name]))}.",
            )
        wanted.setdefault(name, set()).add(value)

    def fits(model: str, dataset: str, shots: int, seed: int) -> bool:
        job = {"model": model, "dataset": dataset, "shots": str(shots), "seed": str(seed)}
        return all(job[name] in values for name, values in wanted.items())

    return fits


def _dataset_name(name: str) -> str:
    """The name of a grid's dataset: the catalog's, or the folder's, as `gad.datasets.own` has it."""
    import unicodedata
    from pathlib import Path

    from gad.datasets.prepare import is_path

    return unicodedata.normalize("NFC", Path(name).resolve().name) if is_path(name) else name
