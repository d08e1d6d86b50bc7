"""What a grid is told of its keys, names and numbers."""

from __future__ import annotations

import pytest
from gridtexts import Case, check_told, complete, problems, text

SHOTS = "is not a number of shots (an integer >= 0)"

WRONG: list[Case] = [
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
        [
            "5: resize: 'pda' is not a way to make images square (crop, squash, pad, tile). Did you mean 'pad'?"
        ],
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
]


@pytest.mark.parametrize(("source", "expected"), WRONG, ids=[str(n) for n in range(len(WRONG))])
def test_wrong(source: str, expected: list[str]) -> None:
    check_told(source, expected)


@pytest.mark.parametrize(("source", "expected"), complete(WRONG))
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
