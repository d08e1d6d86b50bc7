"""Reads the names in a grid file: models with their options, datasets, auxiliary sets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gad.harness import gridoptions
from gad.harness.errors import HarnessError, did_you_mean
from gad.harness.gridproblems import Problems, below, quoted
from gad.harness.gridtree import Broken, Entries, Items, Leaf, Tree, shown
from gad.harness.nouns import DatasetInfo, ModelChoice, ModelInfo
from gad.models.backbones.spec import placed


@dataclass(frozen=True)
class Known:
    """The names a grid may use."""

    models: Mapping[str, ModelInfo] = field(default_factory=dict)
    datasets: Mapping[str, DatasetInfo] = field(default_factory=dict)

    def hint(self, kind: Literal["model", "dataset"], name: str) -> str:
        """What to say about an unknown name: the closest known one, or else all of them."""
        names = sorted(self.models if kind == "model" else self.datasets)
        return did_you_mean(name, names) or (f" Known {kind}s: {', '.join(names)}" if names else "")


def text(tree: Tree, path: str, noun: str, problems: Problems) -> str | None:
    """The text of a value that has to be ``noun``."""
    if isinstance(tree, Leaf) and isinstance(tree.value, str) and tree.value.isprintable():
        return tree.value
    if not isinstance(tree, Broken):
        quotes = isinstance(tree, Leaf) and tree.value is not None and not isinstance(tree.value, str)
        advice = "; put quotes around it if it is meant to be" if quotes else ""
        problems.add(tree.line, path, f"{shown(tree)} is not {noun}{advice}")
    return None


def same_place(dataset: str) -> str:
    """What tells datasets apart. A folder is kept as it was spelled, but is the same wherever links lead."""
    return os.path.realpath(dataset) if dataset.startswith(os.sep) else dataset


@dataclass(frozen=True)
class Names:
    """Each method returns ``None`` for something wrong, with the reasons in ``problems``."""

    known: Known
    problems: Problems
    folder: Path

    def model(self, tree: Tree, path: str) -> ModelChoice | None:
        """A name, or a name with options."""
        if isinstance(tree, Leaf):
            return self._choice(self._info(tree, path), Entries(tree.line), path)
        if not isinstance(tree, Entries):
            self.problems.add(tree.line, path, f"{shown(tree)} is not a model (a name, or name and options)")
            return None
        name = tree.entries.get("name")
        if name is None:
            self.problems.add(tree.line, below(path, "name"), "is required")
        info = None if name is None else self._info(name, below(path, "name"))
        extra = self._model_keys(tree, path, info)
        options, path = tree.entries.get("options", Entries(tree.line)), below(path, "options")
        if isinstance(options, Entries):
            made = self._choice(info, options, path)
            return None if extra else made  # without its misplaced options it would look like another entry
        if not isinstance(options, Broken):
            said = f"{shown(options)} is not a mapping of options (`size: 16`)"
            self.problems.add(options.line, path, said)
        return None

    def _model_keys(self, tree: Entries, path: str, info: ModelInfo | None) -> bool:
        """Reports keys that do not belong to a model; says whether there were any."""
        extra = {key: value for key, value in tree.entries.items() if key not in ("name", "options")}
        for key, value in extra.items():
            hint = did_you_mean(key, ("name", "options")) or " Known keys: name, options"
            if info and key in info.options.model_fields:
                hint = f" It is an option of {info.name!r}: write it under options"
            self.problems.add(value.line, below(path, key), "unknown key", hint)
        return bool(extra)

    def _info(self, tree: Tree, path: str) -> ModelInfo | None:
        name = text(tree, path, "the name of a model", self.problems)
        if name is None:
            return None
        try:
            return self.known.models[name]
        except KeyError:
            self.problems.add(
                tree.line, path, f"unknown model {quoted(name)}", self.known.hint("model", name)
            )
        except HarnessError as error:  # of a family whose library is not there, or has no such model
            self.problems.add(tree.line, path, error.message, f" {error.fix}" if error.fix else "")
        return None

    def _choice(self, info: ModelInfo | None, options: Entries, path: str) -> ModelChoice | None:
        if info is None:
            return None
        made = gridoptions.check(info.options, options, path, self.problems, noun="option")
        if made is None:
            return None
        if isinstance(made.get("backbone"), str):  # detectors run in folders of their own
            made["backbone"] = placed(made["backbone"], self.folder)
        return ModelChoice(name=info.name, options=made)

    def target(self, tree: Tree, path: str) -> str | None:
        """A dataset to test on."""
        name = text(tree, path, "the name of a dataset", self.problems)
        return None if name is None else self._dataset(name, tree.line, path, target=True)

    def _dataset(self, name: str, line: int, path: str, *, target: bool) -> str | None:
        """A name from the catalog as it is, a folder as an absolute path."""
        if name in self.known.datasets:
            if not (target and self.known.datasets[name].auxiliary_only):
                return name
            self.problems.add(line, path, f"{quoted(name)} is for training only; no detector is tested on it")
            return None
        place = os.path.abspath(self.folder / os.path.expanduser(name))
        if "/" not in name and not name.startswith((".", "~")):
            hint = self.known.hint("dataset", name)
            if name and os.path.isdir(place):
                hint = f" The folder of that name is written {quoted('./' + name)}"
            self.problems.add(line, path, f"unknown dataset {quoted(name)}", hint)
            return None
        if not os.path.isdir(place):
            said = "there is a file, not a folder," if os.path.isfile(place) else "there is no folder"
            self.problems.add(line, path, f"{quoted(name)}: {said} at {quoted(place)}")
            return None
        return place

    def prompts(self, tree: Entries, targets: tuple[str, ...]) -> dict[str, str]:
        """The prompt file of each dataset that has one, as an absolute path."""
        found: dict[str, str] = {}
        for key, value in tree.entries.items():
            path = below("prompts", key)
            dataset = self._dataset(key, value.line, path, target=True)
            name = text(value, path, "the path of a prompt file", self.problems)
            if dataset is None or name is None:
                continue
            place = os.path.abspath(self.folder / os.path.expanduser(name))
            if dataset not in targets:
                self.problems.add(value.line, path, f"{quoted(key)} is none of the grid's datasets")
            elif not os.path.isfile(place):
                self.problems.add(value.line, path, f"there is no file {quoted(place)}")
            else:
                found[dataset] = place
        return found

    def auxiliary(self, tree: Tree, targets: tuple[str, ...]) -> dict[str, str] | None:
        """The set to train on for each target, "default" for those that are not named."""
        if isinstance(tree, Items):
            said = "a list is neither a dataset nor a mapping from target to dataset"
            self.problems.add(tree.line, "auxiliary", said)
        if isinstance(tree, Items | Broken):
            return None
        entries: Mapping[str, Tree] = tree.entries if isinstance(tree, Entries) else {"default": tree}
        rule: dict[str, str] = {}
        for key, value in entries.items():
            path = below("auxiliary", key) if isinstance(tree, Entries) else "auxiliary"
            target = key if key == "default" else self._dataset(key, value.line, path, target=True)
            name = text(value, path, "the name of a dataset", self.problems)
            source = None if name is None else self._dataset(name, value.line, path, target=False)
            if target is None or source is None:
                continue
            if target in rule:
                self.problems.add(value.line, path, f"{quoted(target)} has an auxiliary set already")
            elif same_place(target) == same_place(source):
                self.problems.add(value.line, path, f"{quoted(source)} may not be its own auxiliary set")
            rule[target] = source
        for target in targets:
            if target not in rule and same_place(rule.get("default", "")) == same_place(target):
                said = f"{quoted(target)} is among the datasets and may not be its own auxiliary set"
                hint = f" Give it another one: auxiliary: {{default: {target}, {target}: ...}}"
                self.problems.add(entries["default"].line, "auxiliary", said, hint)
        return rule
