"""Reading grid files: right ones, every kind of wrong one, and hostile ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, Field, model_validator

from gad.datasets import catalog
from gad.harness import registry
from gad.harness.errors import GridError
from gad.harness.gridfile import Known, load, parse, shipped
from gad.harness.nouns import DatasetInfo, Frozen, Grid, ImageInput, ModelInfo


class Options(Frozen):
    size: int = Field(default=16, ge=1, le=64)
    mode: Literal["mean", "max"] = "mean"
    rate: float = Field(default=0.001, gt=0)
    layers: tuple[int, ...] = (7, 9)
    centre: bool = False
    note: str | None = None

    @model_validator(mode="after")
    def _together(self) -> Options:
        if self.centre and self.mode == "max":
            raise ValueError("centre needs mode 'mean'")
        return self


class Needs(Frozen):
    weights: str


class Empty(Frozen):
    pass


class Buggy(Frozen):
    size: int = 1

    @model_validator(mode="after")
    def _bug(self) -> Buggy:
        raise RuntimeError("oh\x1b[31m no")


def model(name: str, options: type[Any] = Options, min_shots: int = 1) -> ModelInfo:
    return ModelInfo(
        name=name,
        title=name,
        summary="",
        adapter="a:B",
        options=options,
        inputs=lambda options: ImageInput(size=8),
        min_shots=min_shots,
    )


def dataset(name: str, *, auxiliary_only: bool = False) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        title=name,
        protocol="industrial",
        licence="",
        citation="",
        builder="a:b",
        auxiliary_only=auxiliary_only,
    )


MODELS = [
    model("pixel-knn"),
    model("pixel-gaussian"),
    model("clip-text", Empty, min_shots=0),
    model("needy", Needs),
    model("buggy", Buggy),
]
DATASETS = [dataset(n) for n in ("digits-one-vs-all", "digits-multi-class", "textures", "mvtec", "visa")]
DATASETS.append(dataset("textures-auxiliary", auxiliary_only=True))
KNOWN = Known({m.name: m for m in MODELS}, {d.name: d for d in DATASETS})
DEFAULTS = {"size": 16, "mode": "mean", "rate": 0.001, "layers": [7, 9], "centre": False, "note": None}

GOOD = {"models": "[pixel-knn]", "datasets": "[textures]", "shots": "[2]", "seeds": "[0]"}


def text(**changed: str | None) -> str:
    """A right grid of four lines (models, datasets, shots, seeds), with some keys changed, added, removed."""
    return "".join(f"{key}: {value}\n" for key, value in (GOOD | changed).items() if value is not None)


def problems(source: str, folder: Path = Path("/nowhere")) -> tuple[str, ...]:
    with pytest.raises(GridError) as caught:
        parse(source, KNOWN, file="grid.yaml", folder=folder)
    assert caught.value.exit_code == 2
    assert caught.value.problems
    return caught.value.problems


def read(source: str, folder: Path = Path("/nowhere")) -> Grid:
    return parse(source, KNOWN, file="grid.yaml", folder=folder)


# -- right ones --------------------------------------------------------------------------------------


def test_every_key(tmp_path: Path) -> None:
    (tmp_path / "my_parts").mkdir()
    grid = read(
        """
name: all of it
models:
  - pixel-knn
  - {name: pixel-gaussian, options: {size: 8, rate: 1e-2, layers: [1, 2]}}
datasets: [digits-one-vs-all, ./my_parts]
shots: [2, 4, 8]
seeds: [0, 1]
training_seeds: [8, 9]
auxiliary: {default: mvtec, mvtec: visa, ./my_parts: textures-auxiliary}
backbone: "ViT-B-16-plus-240:laion400m_e32"
precision: bf16
resize: pad
limits: {part_seconds: 600, part_memory_gb: 4, part_output_mb: 0.5, training_seconds: 900, test_images: 200}
""",
        tmp_path,
    )
    parts = str(tmp_path / "my_parts")
    assert grid.name == "all of it"
    assert [choice.name for choice in grid.models] == ["pixel-knn", "pixel-gaussian"]
    assert grid.models[0].options == DEFAULTS
    assert grid.models[1].options == DEFAULTS | {"size": 8, "rate": 0.01, "layers": [1, 2]}
    assert grid.datasets == ("digits-one-vs-all", parts)
    assert (grid.shots, grid.seeds, grid.training_seeds) == ((2, 4, 8), (0, 1), (8, 9))
    assert grid.auxiliary == {"default": "mvtec", "mvtec": "visa", parts: "textures-auxiliary"}
    assert grid.backbone == "ViT-B-16-plus-240:laion400m_e32"
    assert grid.precision == "bf16"
    assert grid.resize == "pad"
    assert grid.limits.model_dump() == {
        "part_seconds": 600,
        "part_memory_gb": 4,
        "part_output_mb": 0.5,
        "training_seconds": 900,
        "test_images": 200,
    }


def test_defaults_and_single_values() -> None:
    grid = read("models: pixel-knn\ndatasets: textures\nshots: 2\nseeds: 0\nauxiliary: mvtec\n")
    assert grid.name == "grid"
    assert (grid.datasets, grid.shots, grid.seeds, grid.training_seeds) == (("textures",), (2,), (0,), (10,))
    assert grid.auxiliary == {"default": "mvtec"}
    assert grid.precision == "fp32"
    assert grid.resize == "crop"
    assert grid.limits.part_seconds == 3600


@pytest.mark.parametrize(
    ("source", "key", "expected"),
    [
        (text(shots="&s [2, 4]", seeds="*s"), "seeds", (2, 4)),
        (text(name="2024-01-01"), "name", "2024-01-01"),
        (text(name="!!str 12"), "name", "12"),
        ("\ufeff" + text(), "name", "grid"),
        (text().replace("\n", "\r\n"), "shots", (2,)),
        ("---\n" + text() + "...\n", "shots", (2,)),
        (text(models="[clip-text]", shots="0"), "shots", (0,)),
        (text(limits="{test_images: null}"), "limits", read(text()).limits),
        (text(auxiliary="{default: mvtec, mvtec: visa}", datasets="mvtec"), "datasets", ("mvtec",)),
        (text(seeds="[1_000]"), "seeds", (1000,)),
        (text(name="größe ü"), "name", "größe ü"),
    ],
)
def test_right(source: str, key: str, expected: object) -> None:
    assert getattr(read(source), key) == expected


def test_scientific_notation_is_a_number_where_one_belongs() -> None:
    """YAML 1.1 takes 1e-3 for text, and PyYAML writes the text "1e-3" without quotes."""
    options = read(text(models="{name: pixel-knn, options: {rate: 1e-3, note: 1e-3}}")).models[0].options
    assert (options["rate"], options["note"]) == (0.001, "1e-3")
    assert read(text(limits="{part_seconds: 6E2}", name="1e3")).limits.part_seconds == 600


def test_same_model_with_other_options() -> None:
    grid = read(text(models="[pixel-knn, {name: pixel-knn, options: {size: 8}}]"))
    assert [choice.options["size"] for choice in grid.models] == [16, 8]


# -- wrong ones --------------------------------------------------------------------------------------

MODEL_RULE = "(a name, or name and options)"
KNN = "{name: pixel-knn, options: {%s}}"
SHOTS = "is not a number of shots (an integer >= 0)"

WRONG: list[tuple[str, list[str]]] = [
    # keys
    (text(shotz="3"), ["5: shotz: unknown key. Did you mean 'shots'?"]),
    (text(zzz="3"), ["5: zzz: unknown key. The keys of a grid are: name, models, datasets, shots, seeds,"]),
    (text(shots=None), ["1: shots: is required"]),
    ("name: x\n", [f"1: {key}: is required" for key in ("models", "datasets", "shots", "seeds")]),
    ("\n\n{}\n", [f"3: {key}: is required" for key in ("models", "datasets", "shots", "seeds")]),
    (text(limits=""), ["5: limits: has no value; give it one or remove the key"]),
    (text(seeds="~"), ["4: seeds: has no value"]),
    (text() + "shots: [4]\n", ["5: shots: the key 'shots' is there twice (first on line 3)"]),
    (text() + "2: 3\n", ["5: the key 2 is not text; put quotes around it"]),
    (text() + "on: 3\n", ["5: the key on is not text"]),
    (text() + "? [a]\n: 3\n", ["5: the key a list is not text"]),
    (text() + "<<: {name: x}\n", ["5: merge keys (<<) are not supported; write the entries out"]),
    (text(**{"'a b'": "3"}), ["5: ['a b']: unknown key."]),
    (text(**{'"\\e[2J"': "3"}), ["5: ['\\x1b[2J']: unknown key."]),
    # name, backbone, precision
    (text(name="a/b"), ["5: name: 'a/b' is not the name of a grid (1 to 100 characters, no slash"]),
    (text(name="'..'"), ["5: name: '..' is not the name of a grid"]),
    (text(name="''"), ["5: name: '' is not the name of a grid"]),
    (text(name="12"), ["5: name: 12 is not the name of a grid; put quotes around it"]),
    (text(name="[a]"), ["5: name: a list is not the name of a grid"]),
    (text(name='"a\\e[31mb"'), ["5: name: 'a\\x1b[31mb' is not the name of a grid"]),
    (text(name="x" * 200), [f"5: name: '{'x' * 76}... is not the name of a grid"]),
    (text(backbone="3"), ["5: backbone: 3 is not the name of a backbone"]),
    (text(backbone="{a: b}"), ["5: backbone: a mapping is not the name of a backbone"]),
    (
        text(precision="fp31"),
        ["5: precision: 'fp31' is not a precision (fp32, bf16, fp16). Did you mean 'fp32'?"],
    ),
    (
        text(resize="pda"),
        ["5: resize: 'pda' is not a way to make images square (crop, squash, pad). Did you mean 'pad'?"],
    ),
    (text(precision="32"), ["5: precision: 32 is not a precision (fp32, bf16, fp16)"]),
    # numbers
    ("name: x\n" + text(shots="\n  - 2\n  - 4\n  - -1"), [f"7: shots[2]: -1 {SHOTS}"]),
    (text(shots="[2.0]"), [f"3: shots[0]: 2.0 {SHOTS}"]),
    (text(shots="['2']"), [f"3: shots[0]: '2' {SHOTS}"]),
    (text(shots="[true, yes]"), [f"3: shots[0]: true {SHOTS}", f"3: shots[1]: yes {SHOTS}"]),
    (text(shots="[null]"), [f"3: shots[0]: nothing {SHOTS}"]),
    (text(shots="[[2]]"), [f"3: shots[0]: a list {SHOTS}"]),
    (text(shots="{a: 2}"), [f"3: shots: a mapping {SHOTS}"]),
    (text(shots="many"), [f"3: shots: 'many' {SHOTS}"]),
    (text(shots="[1e1]"), [f"3: shots[0]: 1e1 {SHOTS}"]),
    (text(shots="[010]"), ["3: shots[0]: 010 is not a plain decimal number"]),
    (text(shots="[0x10]"), ["3: shots[0]: 0x10 is not a plain decimal number"]),
    (text(shots="[1:30]"), ["3: shots[0]: 1:30 is not a plain decimal number"]),
    (text(shots="[.inf]"), ["3: shots[0]: .inf is not a plain, finite decimal number"]),
    (text(shots="[]"), ["3: shots: the list is empty; it needs at least one number of shots"]),
    (text(seeds="[]"), ["4: seeds: the list is empty; it needs at least one seed"]),
    (text(shots="[2, 4, 2]"), ["3: shots[2]: 2 is listed twice (first as shots[0], line 3)"]),
    (text(shots="[0, 2]"), ["3: shots[0]: 0 is too few: pixel-knn needs at least one normal image"]),
    (
        text(shots="0", models="[pixel-knn, clip-text, pixel-gaussian]"),
        ["3: shots: 0 is too few: pixel-gaussian, pixel-"],
    ),
    (text(seeds="[-1]"), ["4: seeds[0]: -1 is not a seed (an integer >= 0)"]),
    (text(seeds="[1.5]"), ["4: seeds[0]: 1.5 is not a seed"]),
    (text(seeds="2147483648"), ["4: seeds: 2147483648 is too large for a seed (at most 2147483647)"]),
    (text(seeds="9" * 5000), [f"4: seeds: {'9' * 77}... is not a plain decimal number"]),
    (text(training_seeds="[a]"), ["5: training_seeds[0]: 'a' is not a training seed (an integer >= 0)"]),
    (text(training_seeds="[]"), ["5: training_seeds: the list is empty"]),
    # models
    (text(models="[pixel-kn]"), ["1: models[0]: unknown model 'pixel-kn'. Did you mean 'pixel-knn'?"]),
    (
        text(models="[resnet]"),
        ["1: models[0]: unknown model 'resnet'. Known models: buggy, clip-text, needy, pixel-"],
    ),
    (text(models="[3]"), ["1: models[0]: 3 is not the name of a model; put quotes around it"]),
    (text(models="[[pixel-knn]]"), [f"1: models[0]: a list is not a model {MODEL_RULE}"]),
    (text(models="[]"), ["1: models: the list is empty; it needs at least one model"]),
    (text(models="[{options: {}}]"), ["1: models[0].name: is required"]),
    (
        text(models="[{name: pixel-kn}]"),
        ["1: models[0].name: unknown model 'pixel-kn'. Did you mean 'pixel-knn'?"],
    ),
    (
        text(models="[{name: pixel-knn, optons: {}}]"),
        ["1: models[0].optons: unknown key. Did you mean 'options'?"],
    ),
    (
        text(models="[pixel-knn, {name: pixel-knn, size: 8}]"),
        ["1: models[1].size: unknown key. It is an option of 'pixel-knn': write it under options"],
    ),
    (
        text(models="[{name: pixel-knn, options: [8]}]"),
        ["1: models[0].options: a list is not a mapping of options"],
    ),
    (
        text(models="[{name: pixel-knn, options: }]"),
        ["1: models[0].options: nothing is not a mapping of options"],
    ),
    (
        text(models="\n  - pixel-knn\n  - {name: pixel-knn, options: {size: 16}}"),
        ["3: models[1]: 'pixel-knn' with the same options is listed twice (first as models[0], line 2)"],
    ),
    # options
    (text(models=KNN % "sise: 8"), ["1: models.options.sise: unknown option. Did you mean 'size'?"]),
    (
        text(models=KNN % "qqq: 8"),
        ["1: models.options.qqq: unknown option. The options are: size, mode, rate, layers"],
    ),
    (
        text(models="\n  - name: pixel-knn\n    options:\n      mode: max\n      size:\n        65"),
        ["5: models[0].options.size: 65 is too large (it must be <= 64)"],
    ),
    (text(models=KNN % "size: 0"), ["1: models.options.size: 0 is too small (it must be >= 1)"]),
    (text(models=KNN % "size: '8'"), ["1: models.options.size: '8' is not an integer"]),
    (text(models=KNN % "size: 8.0"), ["1: models.options.size: 8.0 is not an integer"]),
    (text(models=KNN % "size: true"), ["1: models.options.size: true is not an integer"]),
    (text(models=KNN % "size: [8]"), ["1: models.options.size: a list is not an integer"]),
    (text(models=KNN % "rate: 0"), ["1: models.options.rate: 0 is too small (it must be > 0)"]),
    (text(models=KNN % "rate: fast"), ["1: models.options.rate: 'fast' is not a number"]),
    (text(models=KNN % "rate: .nan"), ["1: models.options.rate: .nan is not a plain, finite"]),
    (
        text(models=KNN % "mode: maxx"),
        ["1: models.options.mode: 'maxx' is not 'mean' or 'max'. Did you mean 'max'?"],
    ),
    (text(models=KNN % "centre: 1"), ["1: models.options.centre: 1 is neither true nor false"]),
    (text(models=KNN % "note: 1"), ["1: models.options.note: 1 is not text; put quotes around it"]),
    (text(models=KNN % "layers: 7"), ["1: models.options.layers: 7 is not a list"]),
    (text(models=KNN % "layers: [7, x]"), ["1: models.options.layers[1]: 'x' is not an integer"]),
    (text(models=KNN % "centre: true, mode: max"), ["1: models.options: centre needs mode 'mean'"]),
    (
        text(models=KNN % "size: 0, mod: 1, rate: x"),
        [
            "1: models.options.mod: unknown option. Did you mean 'mode'?",
            "1: models.options.size: 0 is too small",
            "1: models.options.rate: 'x' is not a number",
        ],
    ),
    (text(models="needy"), ["1: models.weights: is required"]),
    (text(models="[{name: needy, options: {}}]"), ["1: models[0].options.weights: is required"]),
    (
        text(models="[{name: needy, options: {weights: !x y}}]"),
        ["1: models[0].options.weights: the tag !x is not"],
    ),
    (text(models="buggy"), ["1: models: the check of these options failed: RuntimeError: oh\\x1b[31m no"]),
    (text(models=KNN % "rate: '1e-3'"), ["1: models.options.rate: '1e-3' is not a number"]),
    (text(models=KNN % "rate: -1e-3"), ["1: models.options.rate: -1e-3 is too small (it must be > 0)"]),
    (text(models=KNN % "rate: 1e999"), ["1: models.options.rate: '1e999' is not a number"]),
    (text(models=KNN % "size: 1e1"), ["1: models.options.size: 1e1 is not an integer"]),
    # datasets
    (text(datasets="[textues]"), ["2: datasets[0]: unknown dataset 'textues'. Did you mean 'textures'?"]),
    (text(datasets="[qqq]"), ["2: datasets[0]: unknown dataset 'qqq'. Known datasets: digits-multi-class,"]),
    (text(datasets="[no]"), ["2: datasets[0]: no is not the name of a dataset; put quotes around it"]),
    (text(datasets="''"), ["2: datasets: unknown dataset ''"]),
    (text(datasets="[./none]"), ["2: datasets[0]: './none': there is no folder at '/nowhere/none'"]),
    (text(datasets='["./a\\0b"]'), ["2: datasets[0]: './a\\x00b' is not the name of a dataset"]),
    (text(datasets="[/etc/passwd]"), ["2: datasets[0]: '/etc/passwd': there is a file, not a folder,"]),
    (
        text(datasets="[textures, textures]"),
        ["2: datasets[1]: 'textures' is listed twice (first as datasets[0], line 2)"],
    ),
    (
        text(datasets="[/usr, /usr/../usr/]"),
        ["2: datasets[1]: '/usr/../usr/' is listed twice (first as datasets[0]"],
    ),
    (text(datasets="textures-auxiliary"), ["2: datasets: 'textures-auxiliary' is for training only"]),
    (text(datasets="!!set {a}"), ["2: datasets: the tag !!set is not allowed in a grid"]),
    # auxiliary
    (text(auxiliary="mvtek"), ["5: auxiliary: unknown dataset 'mvtek'. Did you mean 'mvtec'?"]),
    (text(auxiliary="[mvtec]"), ["5: auxiliary: a list is neither a dataset nor a mapping"]),
    (text(auxiliary="3"), ["5: auxiliary: 3 is not the name of a dataset"]),
    (text(auxiliary="{mvtek: visa}"), ["5: auxiliary.mvtek: unknown dataset 'mvtek'. Did you mean 'mvtec'?"]),
    (
        text(auxiliary="\n  default: visa\n  visa: vista"),
        ["7: auxiliary.visa: unknown dataset 'vista'. Did you mean 'visa'?"],
    ),
    (text(auxiliary="{mvtec: mvtec}"), ["5: auxiliary.mvtec: 'mvtec' may not be its own auxiliary set"]),
    (
        text(auxiliary="mvtec", datasets="[mvtec]"),
        ["5: auxiliary: 'mvtec' is among the datasets and may not be its own auxiliary set. Give it"],
    ),
    (
        text(auxiliary="{/usr: visa, /usr/: mvtec}"),
        ["5: auxiliary['/usr/']: '/usr' has an auxiliary set already"],
    ),
    # maps
    (text(maps="some"), ["5: maps: 'some' says nothing of maps to keep (none, all, or {worst: 20})"]),
    (text(maps="5"), ["5: maps: 5 says nothing of maps to keep (none, all, or {worst: 20})"]),
    (text(maps="[all]"), ["5: maps: a list says nothing of maps to keep (none, all, or {worst: 20})"]),
    (text(maps="{worst: 0}"), ["5: maps.worst: 0 is too small (it must be >= 1)"]),
    (
        text(maps="{worse: 3}"),
        ["5: maps.worse: unknown rule. Did you mean 'worst'?", "5: maps.worst: is required"],
    ),
    (text(maps="{}"), ["5: maps.worst: is required"]),
    (text(pixel_metrics="'yes'"), ["5: pixel_metrics: 'yes' is neither true nor false"]),
    (text(pixel_metrics="1"), ["5: pixel_metrics: 1 is neither true nor false"]),
    # limits
    (text(limits="3"), ["5: limits: 3 is not a mapping of limits"]),
    (text(limits="{part_sec: 3}"), ["5: limits.part_sec: unknown limit. Did you mean 'part_seconds'?"]),
    (text(limits="{part_seconds: 0}"), ["5: limits.part_seconds: 0 is too small (it must be > 0)"]),
    (
        text(limits="\n  part_seconds: 9\n  part_memory_gb: '4'"),
        ["7: limits.part_memory_gb: '4' is not a number"],
    ),
    (text(limits="{part_seconds: true}"), ["5: limits.part_seconds: true is not a number"]),
    (text(limits="{part_seconds: .inf}"), ["5: limits.part_seconds: .inf is not a plain, finite decimal"]),
    (text(limits="{part_output_mb: null}"), ["5: limits.part_output_mb: nothing is not a number"]),
    (text(limits="{test_images: 1}"), ["5: limits.test_images: 1 is too small (it must be >= 2)"]),
    (text(limits="{test_images: 1.5}"), ["5: limits.test_images: 1.5 is not an integer"]),
    # YAML itself
    ("- a\n", ["1: a grid is a mapping (`models: ...`, `datasets: ...`), not a list"]),
    ("hello\n", ["1: a grid is a mapping (`models: ...`, `datasets: ...`), not 'hello'"]),
    ("", [" the file is empty"]),
    ("# nothing\n---\n", [" the file is empty"]),
    (
        "a: [1,\nb: 2\n",
        ["3: not valid YAML: while parsing a flow sequence that starts on line 1, expected ','"],
    ),
    ("a: 1\n\tb: 2\n", ["2: not valid YAML: while scanning for the next token, found character '\\t'"]),
    ("a: 1\nb: *c\n", ["2: not valid YAML: found undefined alias 'c'"]),
    ("a: 1\n---\nb: 2\n", ["2: not valid YAML: a second document starts here; a grid is one"]),
    ("a: 1\nb: \x1b\n", ["2: not valid YAML: the character '\\x1b' is not allowed"]),
    ('a: 1\nb: "\\UFFFFFFFF"\n', ["2: not valid YAML: an escape or a number is out of range"]),
    (
        text(name="!!python/object/apply:os.system [ls]"),
        ["5: name: the tag !!python/object/apply:os.system is not"],
    ),
    (text(name="!secret x"), ["5: name: the tag !secret is not allowed in a grid"]),
    (text(name="!!bool maybe"), ["5: name: maybe is not true or false"]),
    (text(name='"\\ud800"'), ["5: name: '\\ud800' is not valid Unicode text"]),
    ("&a\nmodels: *a\n", ["2: models: an alias (*) refers to something that contains it"]),
    ("a: " + "[" * 60 + "]" * 60, ["1: nested more than 50 levels deep"]),
    ("a: " + "[" * 200_000, ["1: nested more than 50 levels deep"]),
    ("a: 1\nshots: [" + "1, " * 10_001 + "]", ["2: more than 10000 values"]),
    ("# " + "x" * 1_000_000, [" the file is larger than 1 MB"]),
]


@pytest.mark.parametrize(("source", "expected"), WRONG, ids=[str(n) for n in range(len(WRONG))])
def test_wrong(source: str, expected: list[str]) -> None:
    found = problems(source)
    for fragment in expected:
        # the line is part of what is expected: "grid.yaml:7: shots[2]: ..."
        start = f"grid.yaml:{fragment}"
        assert any(problem.startswith(start) for problem in found), "\n".join(found)
    for problem in found:
        assert problem.isprintable()
        assert len(problem) < 600


@pytest.mark.parametrize(
    ("source", "expected"),
    [case for case in WRONG if "required" not in case[1][0] and case[0].startswith("models: [pixel-knn]")],
)
def test_nothing_else_is_reported(source: str, expected: list[str]) -> None:
    assert len(problems(source)) == len(expected)


def test_every_problem_at_once_in_the_order_of_lines() -> None:
    found = problems(
        "models: [pixel-kn, {name: pixel-knn, options: {size: x}}]\n"
        "datasets: [textures, ./none]\n"
        "shots: [2, -1, 2]\n"
        "limits: {part_seconds: -1}\n"
        "colour: red\n"
    )
    assert [problem.split(": ")[:2] for problem in found] == [
        ["grid.yaml:1", "seeds"],
        ["grid.yaml:1", "models[0]"],
        ["grid.yaml:1", "models[1].options.size"],
        ["grid.yaml:2", "datasets[1]"],
        ["grid.yaml:3", "shots[1]"],
        ["grid.yaml:3", "shots[2]"],
        ["grid.yaml:4", "limits.part_seconds"],
        ["grid.yaml:5", "colour"],
    ]


def test_the_exact_form_of_a_problem() -> None:
    source = "name: x\nmodels: [pixel-knn]\ndatasets: [textures]\nshots:\n- 2\n- 4\n- -1\nseeds: 0\n"
    assert problems(source) == ("grid.yaml:7: shots[2]: -1 is not a number of shots (an integer >= 0)",)


@pytest.mark.alone
def test_alias_bomb_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    start = time.perf_counter()
    assert "more than 10000 values (with aliases written out)" in problems("\n".join(lines))[0]
    assert time.perf_counter() - start < 2


def test_dataset_folders_are_relative_to_the_grid(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "link").symlink_to("parts")
    (tmp_path / "sub").mkdir()
    grid = read(text(datasets="[../parts]"), tmp_path / "sub")
    assert grid.datasets == (str(tmp_path / "parts"),)
    assert read(text(datasets="link/"), tmp_path).datasets == (str(tmp_path / "link"),)
    assert "The folder of that name is written './parts'" in problems(text(datasets="parts"), tmp_path)[0]
    assert "listed twice" in problems(text(datasets="[./parts, ./link]"), tmp_path)[0]
    own = problems(text(datasets="[./parts]", auxiliary="./link"), tmp_path)
    assert "may not be its own auxiliary set" in own[0]


def test_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "parts").mkdir()
    (tmp_path / "g.yaml").write_text(text(datasets="~/parts"))
    assert load("~/g.yaml", KNOWN).datasets == (str(tmp_path / "parts"),)


def test_unknown_options_are_refused_even_by_a_class_that_ignores_them() -> None:
    class Careless(Frozen):
        model_config = ConfigDict(extra="ignore")
        size: int = 1

    known = Known({"careless": model("careless", Careless)}, KNOWN.datasets)
    source = text(models="{name: careless, options: {sise: 2}}")
    with pytest.raises(GridError, match=r"models.options.sise: unknown option. Did you mean 'size'"):
        parse(source, known, file="grid.yaml", folder=Path("/"))


# -- files -------------------------------------------------------------------------------------------


def refusal(source: Path | str) -> str:
    with pytest.raises(GridError) as caught:
        load(source, KNOWN)
    assert caught.value.problems
    return str(caught.value)


def test_load_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text())
    assert load(path, KNOWN).name == "mine"
    assert load(str(path), KNOWN) == load(path, KNOWN)
    path.write_text(text(shots="-1"))
    assert f"{path}:3: shots: -1" in refusal(path)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("latin.yaml").write_bytes("name: x\n# größe\n".encode("latin-1"))
    assert "latin.yaml:2: not UTF-8 text (byte 0xf6)" in refusal("latin.yaml")
    Path("big.yaml").write_bytes(b"#" * 1_000_001)
    assert "big.yaml: the file is larger than 1 MB" in refusal("big.yaml")
    assert "this is a folder; a grid is a YAML file" in refusal(tmp_path)
    assert "larger than 1 MB" in refusal("/dev/zero")
    assert "no grid was named" in refusal("")
    assert "cannot be opened: embedded null byte" in refusal("\0")
    assert "cannot be opened: File name too long" in refusal("x" * 300)
    missing = refusal("dmo")
    assert "dmo: there is no such file. Did you mean 'demo'?" in missing
    assert "Grids that ship: " in missing
    assert "demo" in missing.splitlines()[-1]
    Path("mine.yaml").write_text(text())
    assert "Did you mean 'mine.yaml'?" in refusal("mine")
    assert "\x1b" not in refusal("a\x1b[2Jb")


def test_a_file_whose_name_is_no_name(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 120}.yaml"
    path.write_text(text())
    assert "from the file's name" in refusal(path)
    path.write_text(text(name="short"))
    assert load(path, KNOWN).name == "short"


def test_a_pipe(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, text(name="piped").encode())
    os.close(writer)
    try:
        assert load(f"/dev/fd/{reader}", KNOWN).name == "piped"
    finally:
        os.close(reader)


def test_shipped_grids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "demo" in shipped()
    known = Known(registry.load().infos, catalog.DATASETS)
    grid = load("demo", known)
    assert grid.name == "demo"
    assert [choice.name for choice in grid.models] == ["inctrl", "winclip", "patchcore", "pixel-knn"]
    assert {choice.options.get("backbone", "tiny") for choice in grid.models} == {"tiny"}
    assert grid.datasets == ("digits-one-vs-all", "digits-multi-class", "textures")
    assert (grid.shots, grid.seeds) == ((2, 4, 8), (0, 1, 2))
    Path("demo").mkdir()
    assert load("demo", known) == grid


def test_importing_is_light() -> None:
    code = (
        "import sys, gad.harness.gridfile as g; g.shipped();"
        "heavy = {'torch', 'numpy', 'ray', 'pandas', 'duckdb', 'sklearn', 'PIL'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


# -- anything ----------------------------------------------------------------------------------------

QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])

words = st.sampled_from(
    [
        *GOOD,
        "name",
        "limits",
        "auxiliary",
        "options",
        "size",
        "pixel-knn",
        "textures",
        "mvtec",
        "default",
        "./x",
    ]
)
leaves = st.one_of(
    words,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
    st.binary(max_size=3),
)
nested = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
SCRAPS = r""": - | [ ] { } , ' " \ > &a *a !t !!int !< ? "\x "\U % << # --- ... 0 -1 1e3 ~ @ = .nan
2001-01-01 99999999999 %YAML %TAG"""
BLANKS = [" ", "  ", "\n", "\t", "\x00", "\ud800", "\x85"]
scraps = st.lists(st.sampled_from([*GOOD, *SCRAPS.split(), *BLANKS, ": ", "- "]), max_size=25).map("".join)


def grid_or_error(source: str) -> Grid | None:
    try:
        return parse(source, KNOWN, file="grid.yaml", folder=Path("/nowhere"))
    except GridError as error:
        found = error.problems
    assert found
    assert all(problem.isprintable() for problem in found)
    return None


@QUICK
@given(st.text() | scraps)
def test_any_text(source: str) -> None:
    grid_or_error(source)
    grid_or_error(text() + source)


@QUICK
@given(nested, st.booleans())
def test_any_data(data: Any, wrap: bool) -> None:
    whole = {"models": data, "datasets": data, "shots": data, "limits": data} if wrap else data
    grid_or_error(yaml.safe_dump(whole, allow_unicode=True))


@QUICK
@given(
    st.sampled_from(
        [*GOOD, "name", "training_seeds", "auxiliary", "backbone", "precision", "resize", "maps", "limits"]
    ),
    nested,
)
def test_any_value_of_a_key(key: str, data: Any) -> None:
    whole = {k: yaml.safe_load(v) for k, v in GOOD.items()} | {key: data}
    grid_or_error(yaml.safe_dump(whole))


def several(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(elements, min_size=1, max_size=4, unique_by=lambda e: json.dumps(e, sort_keys=True))


good_options = st.fixed_dictionaries(
    {
        "size": st.integers(1, 64),
        "mode": st.sampled_from(["mean", "max"]),
        "rate": st.floats(1e-300, 1e300),
        "layers": st.lists(st.integers(-100, 100)),
        "centre": st.just(False),
        # PyYAML writes these line breaks raw (allow_unicode), and reads them back as others.
        "note": st.none()
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029")),
    }
)
good_models = st.fixed_dictionaries(
    {"name": st.sampled_from(["pixel-knn", "pixel-gaussian"]), "options": good_options}
)
good_grids = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,30}", fullmatch=True),
        "models": several(good_models),
        "datasets": several(st.sampled_from(["textures", "digits-one-vs-all", "/usr", "/etc"])),
        "shots": several(st.integers(1, 2**31 - 1)),
        "seeds": several(st.integers(0, 2**31 - 1)),
        "training_seeds": several(st.integers(0, 2**31 - 1)),
        "prompts": st.just({}),
        "auxiliary": st.just({}) | st.just({"default": "mvtec", "/usr": "/etc"}),
        "backbone": st.text(st.characters(categories=["L", "N", "P"])),
        "precision": st.sampled_from(["fp32", "bf16", "fp16"]),
        "resize": st.sampled_from(["crop", "squash", "pad"]),
        "maps": st.sampled_from(["none", "all"]) | st.fixed_dictionaries({"worst": st.integers(1, 10**6)}),
        "pixel_metrics": st.booleans(),
        "limits": st.fixed_dictionaries(
            {
                "part_seconds": st.floats(1e-9, 1e9),
                "part_memory_gb": st.floats(1e-9, 1e9),
                "part_output_mb": st.floats(1e-9, 1e9),
                "training_seconds": st.none() | st.floats(1e-9, 1e9),
                "test_images": st.none() | st.integers(2, 10**9),
            }
        ),
    }
)


@QUICK
@given(good_grids, st.booleans())
def test_a_right_grid_comes_back(data: dict[str, Any], as_json: bool) -> None:
    grid = read(json.dumps(data) if as_json else yaml.safe_dump(data))
    assert grid.model_dump(mode="json") == data
    again = read(yaml.safe_dump(grid.model_dump(mode="json"), allow_unicode=True))
    assert again == grid
