"""Which version of the package this is, to the byte, and on what it runs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from functools import cache
from pathlib import Path

from gad.harness import ids, registry
from gad.models.backbones import spec

DISTRIBUTION = "gad-harness"
REPORTED = (
    "ray",
    "torch",
    "open_clip_torch",
    "numpy",
    "pillow",
    "scikit-learn",
    "duckdb",
    "pyarrow",
    "pydantic",
    "timm",
)


def version() -> str:
    return importlib.metadata.version(DISTRIBUTION)


@cache
def code_digest() -> str:
    """Digest of the package's source without the models' own folders, which have digests of their own.

    Two nodes with the same digest run the same code, that of the encoders included.
    """
    own, models = Path(__file__).parent, Path(spec.__file__).parents[1]
    parts = [(own, own.rglob("*.py")), (models, [*models.glob("*.py"), *models.glob("backbones/**/*.py")])]
    return ids.digest([ids.source_digest(files, root) for root, files in parts])[:20]


def code_digests(models: list[str]) -> dict[str, str]:
    """Digests of the harness's own code and of some models': what has to be alike on every node."""
    known = registry.load()
    return {"harness": code_digest(), **{name: registry.source_digest(known.find(name)) for name in models}}


def environment() -> dict[str, str]:
    """What is recorded with every run, as text."""
    found = {
        "version": version(),
        "code": code_digest(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
    }
    for name in REPORTED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
