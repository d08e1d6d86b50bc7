"""Checks the tree of a grid file key by key, and makes the ``Grid``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

from gad.harness import gridoptions
from gad.harness.errors import did_you_mean
from gad.harness.gridnames import Known, Names, same_place, text
from gad.harness.gridproblems import Problems, below, quoted
from gad.harness.gridtree import Broken, Entries, Items, Leaf, Tree, shown
from gad.harness.nouns import Grid, GridResize, Limits, ModelChoice, Precision, Worst
from gad.models.backbones.spec import placed

KEYS = tuple(Grid.model_fields)
REQUIRED = ("models", "datasets", "shots")
LARGEST = 2**31 - 1  # fits the integer of every library that is handed one
Value = TypeVar("Value")


def check(tree: Tree, known: Known, problems: Problems, *, name: str, folder: Path) -> Grid | None:
    """The grid that ``tree`` spells, or ``None`` with every reason in ``problems``.

    ``name`` is the grid's if it gives itself none; dataset folders are relative to ``folder``.
    """
    if isinstance(tree, Broken):
        return None
    if not isinstance(tree, Entries):
        problems.add(
            tree.line, "", f"a grid is a mapping (`models: ...`, `datasets: ...`), not {shown(tree)}"
        )
        return None
    return _Check(tree, Names(known, problems, folder), problems).grid(name)


class _Check:
    def __init__(self, root: Entries, names: Names, problems: Problems) -> None:
        self.root = root
        self.names = names
        self.problems = problems

    def grid(self, name: str) -> Grid | None:
        self._keys()
        models = self._axis("models", "model", self.names.model, _same_model)
        datasets = self._axis("datasets", "dataset", self.names.target, same_place)
        auxiliary = self._get("auxiliary")
        values: dict[str, Any] = {
            "name": self._name(name),
            "models": models,
            "datasets": datasets,
            "shots": self._axis("shots", "number of shots", self._integer("a number of shots"), str),
            "seeds": self._axis("seeds", "seed", self._integer("a seed"), str),
            "training_seeds": self._axis("training_seeds", "seed", self._integer("a training seed"), str),
            "prompts": self._prompts(datasets),
            "auxiliary": None if auxiliary is None else self.names.auxiliary(auxiliary, datasets),
            "backbone": self._backbone(),
            "precision": self._one_of("precision", get_args(Precision), "a precision"),
            "resize": self._one_of("resize", get_args(GridResize), "a way to make images square"),
            "maps": self._maps(),
            "pixel_metrics": self._switch("pixel_metrics"),
            "limits": self._limits(),
        }
        self._zero_shots(models)
        drawn = set(datasets) - set(values["prompts"] or {})
        if drawn and "seeds" not in self.root.entries and "prompts" in self.root.entries:
            said = f"is required: {', '.join(sorted(drawn))} has no prompt file"
            self.problems.add(self.root.line, "seeds", said)
        if self.problems:
            return None
        infos = self.names.known.models
        values["models"] = tuple(m.on(values["backbone"] or infos[m.name].default_backbone) for m in models)
        return Grid(
            **{key: value for key, value in values.items() if key in self.root.entries or key == "name"}
        )

    def _keys(self) -> None:
        for key, value in self.root.entries.items():
            if key not in KEYS:
                hint = did_you_mean(key, KEYS) or f" The keys of a grid are: {', '.join(KEYS)}"
                self.problems.add(value.line, below("", key), "unknown key", hint)
            elif isinstance(value, Leaf) and value.value is None:
                self.problems.add(value.line, key, "has no value; give it one or remove the key")
        for key in REQUIRED:
            if key not in self.root.entries:
                self.problems.add(self.root.line, key, "is required")
        if "seeds" not in self.root.entries and "prompts" not in self.root.entries:
            self.problems.add(self.root.line, "seeds", "is required")

    def _get(self, key: str) -> Tree | None:
        """The value of a key, unless it is missing, empty or broken (which has been reported)."""
        tree = self.root.entries.get(key)
        if isinstance(tree, Broken) or (isinstance(tree, Leaf) and tree.value is None):
            return None
        return tree

    def _axis(
        self,
        key: str,
        noun: str,
        read: Callable[[Tree, str], Value | None],
        same: Callable[[Value], str],
    ) -> tuple[Value, ...]:
        """A list of things that differ. A single thing need not be written as a list."""
        tree = self._get(key)
        if tree is None:
            return ()
        if not isinstance(tree, Items):
            one = read(tree, key)
            return () if one is None else (one,)
        if not tree.items:
            self.problems.add(tree.line, key, f"the list is empty; it needs at least one {noun}")
        found: list[Value] = []
        first: dict[str, str] = {}
        for index, item in enumerate(tree.items):
            path = below(key, index)
            value = None if isinstance(item, Broken) else read(item, path)
            if value is None:
                continue
            if (identity := same(value)) in first:
                what = (
                    f"{value.name!r} with the same options" if isinstance(value, ModelChoice) else shown(item)
                )
                said = f"{what} is listed twice (first as {first[identity]})"
                self.problems.add(item.line, path, said)
                continue
            first[identity] = f"{path}, line {item.line}"
            found.append(value)
        return tuple(found)

    def _integer(self, noun: str) -> Callable[[Tree, str], int | None]:
        def read(tree: Tree, path: str) -> int | None:
            value = tree.value if isinstance(tree, Leaf) else None
            if type(value) is not int or value < 0:  # True is an int to Python, not to anyone else
                self.problems.add(tree.line, path, f"{shown(tree)} is not {noun} (an integer >= 0)")
            elif value > LARGEST:
                self.problems.add(
                    tree.line, path, f"{shown(tree)} is too large for {noun} (at most {LARGEST})"
                )
            else:
                return value
            return None

        return read

    def _zero_shots(self, models: tuple[ModelChoice, ...]) -> None:
        infos = self.names.known.models
        needy = sorted({m.name for m in models if infos[m.name].least_shots(m.options) > 0})
        tree = self._get("shots")
        items = tree.items if isinstance(tree, Items) else (tree,)
        for index, item in enumerate(items):
            if needy and isinstance(item, Leaf) and type(item.value) is int and item.value == 0:
                path = below("shots", index) if isinstance(tree, Items) else "shots"
                verb = "needs" if len(needy) == 1 else "need"
                said = f"0 is too few: {', '.join(needy)} {verb} at least one normal image"
                self.problems.add(item.line, path, said)

    def _name(self, default: str) -> str | None:
        tree = self._get("name")
        if "name" in self.root.entries and tree is None:
            return None
        name = default if tree is None else text(tree, "name", "the name of a grid", self.problems)
        if name is None:
            return None
        fits = name.isprintable() and name == name.strip() and 0 < len(name) <= 100
        if fits and name not in (".", "..") and not set(name) & set("/\\"):
            return name
        said = "is not the name of a grid (1 to 100 characters, no slash, no space at either end)"
        origin, hint = (
            ("", "") if tree else (", from the file's name,", " Write one in the file: `name: ...`")
        )
        self.problems.add(
            tree.line if tree else self.root.line, "name", f"{quoted(name)}{origin} {said}", hint
        )
        return None

    def _prompts(self, datasets: tuple[str, ...]) -> dict[str, str] | None:
        tree = self._get("prompts")
        if tree is None:
            return None
        if not isinstance(tree, Entries):
            said = f"{shown(tree)} is not a mapping from dataset to prompt file"
            self.problems.add(tree.line, "prompts", said)
            return None
        return self.names.prompts(tree, datasets)

    def _backbone(self) -> str | None:
        tree = self._get("backbone")
        name = None if tree is None else text(tree, "backbone", "the name of a backbone", self.problems)
        return name and placed(name, self.names.folder)

    def _one_of(self, key: str, names: tuple[str, ...], noun: str) -> str | None:
        tree = self._get(key)
        if tree is None:
            return None
        value = tree.value if isinstance(tree, Leaf) else None
        if isinstance(value, str) and value in names:
            return value
        hint = did_you_mean(value, names) if isinstance(value, str) else ""
        self.problems.add(tree.line, key, f"{shown(tree)} is not {noun} ({', '.join(names)})", hint)
        return None

    def _switch(self, key: str) -> bool | None:
        tree = self._get(key)
        if tree is None:
            return None
        if isinstance(tree, Leaf) and isinstance(tree.value, bool):
            return tree.value
        self.problems.add(tree.line, key, f"{shown(tree)} is neither true nor false")
        return None

    def _maps(self) -> str | Worst | None:
        tree = self._get("maps")
        if isinstance(tree, Entries):
            given = gridoptions.check(Worst, tree, "maps", self.problems, noun="rule")
            return None if given is None else Worst(**given)
        if tree is None or (isinstance(tree, Leaf) and tree.value in ("none", "all")):
            return None if tree is None else str(tree.value)
        said = f"{shown(tree)} says nothing of maps to keep (none, all, or {{worst: 20}})"
        self.problems.add(tree.line, "maps", said)
        return None

    def _limits(self) -> Limits | None:
        tree = self._get("limits")
        if isinstance(tree, Entries):
            given = gridoptions.check(Limits, tree, "limits", self.problems, noun="limit")
            return None if given is None else Limits(**given)
        if tree is not None:
            said = f"{shown(tree)} is not a mapping of limits (`part_seconds: 600`)"
            self.problems.add(tree.line, "limits", said)
        return None


def _same_model(choice: ModelChoice) -> str:
    return json.dumps([choice.name, choice.options], sort_keys=True)
