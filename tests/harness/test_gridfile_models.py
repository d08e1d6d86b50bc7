"""What a grid is told of its models and their options."""

from __future__ import annotations

from pathlib import Path

import pytest
from gridtexts import KNOWN, Case, check_told, model, text
from pydantic import ConfigDict

from gad.harness.errors import GridError
from gad.harness.gridfile import Known, parse
from gad.harness.nouns import Frozen

MODEL_RULE = "(a name, or name and options)"
KNN = "{name: pixel-knn, options: {%s}}"

WRONG: list[Case] = [
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
]


@pytest.mark.parametrize(("source", "expected"), WRONG, ids=[str(n) for n in range(len(WRONG))])
def test_wrong(source: str, expected: list[str]) -> None:
    check_told(source, expected)


def test_unknown_options_are_refused_even_by_a_class_that_ignores_them() -> None:
    class Careless(Frozen):
        model_config = ConfigDict(extra="ignore")
        size: int = 1

    known = Known({"careless": model("careless", Careless)}, KNOWN.datasets)
    source = text(models="{name: careless, options: {sise: 2}}")
    with pytest.raises(GridError, match=r"models.options.sise: unknown option. Did you mean 'size'"):
        parse(source, known, file="grid.yaml", folder=Path("/"))
