"""Models known by name: whatever registers in the entry-point group ``gad.models``.

Built-in models register the same way as anybody's. A package that fails to load costs only its own
models; the reason is kept and shown.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gad.harness import ids
from gad.harness.errors import ModelError, did_you_mean
from gad.harness.nouns import ModelInfo

GROUP = "gad.models"


@dataclass(frozen=True)
class Model:
    """A registered model. ``reference`` is where its info is (``module:NAME``), ``package`` who brought it."""

    info: ModelInfo
    reference: str
    package: str


@dataclass(frozen=True)
class Registry:
    models: Mapping[str, Model]
    broken: Mapping[str, str] = field(default_factory=dict)

    @property
    def infos(self) -> dict[str, ModelInfo]:
        return {name: model.info for name, model in self.models.items()}

    def find(self, name: str) -> Model:
        """A model by name. Raises ModelError with a suggestion, or with why it could not be loaded."""
        if name in self.models:
            return self.models[name]
        if name in self.broken:
            raise ModelError(
                f"model {name!r} cannot be loaded: {self.broken[name]}", fix="Mend or remove its package."
            )
        raise ModelError(
            f"unknown model {name!r}.{did_you_mean(name, list(self.models))}",
            fix="`harness models list` shows every model.",
        )


def load() -> Registry:
    """All registered models. Two packages that claim one name make that name broken for both."""
    models: dict[str, Model] = {}
    broken: dict[str, str] = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        package = entry.dist.name if entry.dist else "?"
        try:
            info = entry.load()
        except Exception as error:  # whatever a stranger's module does at import is its own failure
            broken[entry.name] = f"{entry.value}: {type(error).__name__}: {error}"
            continue
        if not isinstance(info, ModelInfo) or info.name != entry.name:
            broken[entry.name] = f"{entry.value} is not a ModelInfo named {entry.name!r}"
        elif entry.name in models:
            broken[entry.name] = f"registered by both {models[entry.name].package} and {package}"
        else:
            models[entry.name] = Model(info, entry.value, package)
    return Registry({name: model for name, model in models.items() if name not in broken}, broken)


def source_digest(model: Model) -> str:
    """Digest of a model's code: every ``.py`` of the folders that hold its info and its adapter.

    A model that is a single top-level file is that file. So a changed adapter is another method, even
    when nobody raised a version.
    """
    modules = {model.reference.partition(":")[0], model.info.adapter.partition(":")[0]}
    digests = []
    for name in sorted(modules):
        file = _module_file(name)
        files = [file] if "." not in name else [f for f in file.parent.rglob("*.py") if f.is_file()]
        digests.append(ids.source_digest(files, file.parent))
    return ids.digest(sorted(set(digests)))


def _module_file(name: str) -> Path:
    module = sys.modules.get(name)
    spec = module.__spec__ if module else importlib.util.find_spec(name)
    if spec is None or not spec.origin:
        raise ModelError(
            f"module {name} of a registered model is not there", fix="Install its package again."
        )
    return Path(spec.origin)
