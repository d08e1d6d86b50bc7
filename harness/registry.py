"""Models known by name: whatever registers in the entry-point group ``gad.models``, and the models of the
families (``PREFIX:NAME``) in the group ``gad.families``.

Built-in models register the same way as anybody's. A package that fails to load costs only its own
models; the reason is kept and shown.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gad.harness import ids
from gad.harness.errors import ModelError, UsageError, did_you_mean
from gad.harness.nouns import Family, ModelInfo

GROUP = "gad.models"
FAMILIES = "gad.families"
SOURCE_SUFFIXES = frozenset({".py", ".so", ".safetensors", ".pt", ".npz"})
SOURCE_BYTES = 100_000_000  # files beyond are data, too slow to read for every plan


@dataclass(frozen=True)
class Model:
    """A registered model. ``reference`` is where its info is (``module:NAME``), ``package`` who brought it."""

    info: ModelInfo
    reference: str
    package: str


@dataclass(frozen=True)
class Relatives:
    """A family, with the module whose attributes are its cards and the package that brought it."""

    family: Family
    module: str
    package: str

    def find(self, name: str) -> Model:
        return Model(self.family.info(name), f"{self.module}:{name}", self.package)


@dataclass(frozen=True)
class Registry:
    models: Mapping[str, Model]
    broken: Mapping[str, str] = field(default_factory=dict)
    families: Mapping[str, Relatives] = field(default_factory=dict)

    @property
    def infos(self) -> Mapping[str, ModelInfo]:
        """Cards by name. Those of families can be asked for and are not listed; asking raises as :meth:`find`."""
        return _Infos(self)

    def knows(self, name: str) -> bool:
        """Whether a name is registered, or says that it is of a family."""
        prefix, colon, _ = name.partition(":")
        return name in self.models or name in self.broken or bool(colon and prefix in self.families)

    def find(self, name: str) -> Model:
        """A model by name. UsageError with a suggestion if it is unknown, ModelError if it cannot be loaded."""
        if name in self.models:
            return self.models[name]
        prefix, colon, own = name.partition(":")
        if colon and prefix in self.families:
            return self.families[prefix].find(own)
        if name in self.broken:
            raise ModelError(
                f"model {name!r} cannot be loaded: {self.broken[name]}", fix="Mend or remove its package."
            )
        raise UsageError(
            f"unknown model {name!r}.{did_you_mean(name, list(self.models))}",
            fix="`harness models list` shows every model.",
        )


class _Infos(Mapping[str, ModelInfo]):
    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def __getitem__(self, name: str) -> ModelInfo:
        if name in self.registry.broken or not self.registry.knows(name):
            raise KeyError(name)
        return self.registry.find(name).info

    def __iter__(self) -> Iterator[str]:
        return iter(self.registry.models)

    def __len__(self) -> int:
        return len(self.registry.models)


def load() -> Registry:
    """All registered models. Two packages that claim one name make that name broken for both."""
    models: dict[str, Model] = {}
    broken: dict[str, str] = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        package = entry.dist.name if entry.dist else "?"
        try:
            # What a stranger's module prints must not mix with --json.
            with contextlib.redirect_stdout(sys.stderr):
                info = entry.load()
        except (Exception, SystemExit) as error:  # whatever it does at import is its own failure
            broken[entry.name] = f"{entry.value}: {type(error).__name__}: {error}"
            continue
        if not isinstance(info, ModelInfo) or info.name != entry.name:
            broken[entry.name] = f"{entry.value} is not a ModelInfo named {entry.name!r}"
        elif entry.name in models:
            broken[entry.name] = f"registered by both {models[entry.name].package} and {package}"
        else:
            models[entry.name] = Model(info, entry.value, package)
    known = {name: model for name, model in models.items() if name not in broken}
    return Registry(known, broken, _families(broken))


def _families(broken: dict[str, str]) -> dict[str, Relatives]:
    found: dict[str, Relatives] = {}
    for entry in importlib.metadata.entry_points(group=FAMILIES):
        try:
            with contextlib.redirect_stdout(sys.stderr):
                family = entry.load()
        except (Exception, SystemExit) as error:
            broken[f"{entry.name}:"] = f"{entry.value}: {type(error).__name__}: {error}"
            continue
        if not isinstance(family, Family) or family.prefix != entry.name or entry.name in found:
            broken[f"{entry.name}:"] = f"{entry.value} is not the one Family of the prefix {entry.name!r}"
        else:
            found[entry.name] = Relatives(family, entry.module, entry.dist.name if entry.dist else "?")
    return found


def source_digest(model: Model) -> str:
    """Digest of a model's code: that of the modules with its info and its adapter, and what lies with them.

    A changed adapter is so another method, even when nobody raised a version. Of a model of ours it is the
    model's folder; of anybody else's the whole top-level package, or the file of a single module; of the
    modules that a model shares with others their files; of packages that it says it depends on their versions.
    Raises ModelError when a module or a package is not there.
    """
    modules = {model.reference.partition(":")[0], model.info.adapter.partition(":")[0]}
    digests = set()
    for module in sorted(modules):
        place = _place(module, model.info.name)
        files = [place] if place.is_file() else list(_sources(place))
        digests.add(ids.source_digest(files, place.parent if place.is_file() else place))
    for module in model.info.shares:
        file, _ = module_file(module, model.info.name)
        digests.add(ids.source_digest([file], file.parent))
    for name in model.info.distributions:
        digests.add(ids.digest([name, _version(name, model.info.name)]))
    return ids.digest(sorted(digests))


def _version(distribution: str, model: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise ModelError(
            f"model {model!r} needs the package {distribution}, which is not installed", fix="Install it."
        ) from error


def _sources(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        if file.suffix in SOURCE_SUFFIXES and file.is_file() and file.stat().st_size <= SOURCE_BYTES:
            yield file


def _place(module: str, model: str) -> Path:
    """The file or folder that is a module's code."""
    file, packaged = module_file(module, model)
    *packages, last = module.split(".")
    if packaged:
        packages.append(last)
    if not packages:
        return file
    folder = file.parent
    if packages[0] == "gad":
        return folder
    # By the names of folders, which also holds without an __init__.py. Where they are not the packages'
    # (setuptools can map them), what is around them is not the package.
    for name, outer in zip(reversed(packages), reversed(packages[:-1]), strict=False):
        if folder.name != name or folder.parent.name != outer:
            break
        folder = folder.parent
    return folder


def module_file(module: str, model: str) -> tuple[Path, bool]:
    """Where a module is, and whether it is a package. It is not imported, but the packages around it are."""
    try:
        loaded = sys.modules.get(module)
        with contextlib.redirect_stdout(sys.stderr):
            spec = (loaded and loaded.__spec__) or importlib.util.find_spec(module)
        reason = "no such module"
    except (Exception, SystemExit) as error:
        spec, reason = None, f"{type(error).__name__}: {error}"
    if spec is None or not spec.origin or not Path(spec.origin).is_file():
        raise ModelError(
            f"model {model!r}: its module {module!r} is not there ({reason})",
            fix="Install its package again.",
        )
    return Path(spec.origin), spec.submodule_search_locations is not None
