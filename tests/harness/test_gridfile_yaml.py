"""Grids that are no grids, bad YAML, or hostile."""

from __future__ import annotations

import time

import pytest
from gridtexts import Case, check_told, complete, problems, text

WRONG: list[Case] = [
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
    check_told(source, expected)


@pytest.mark.parametrize(("source", "expected"), complete(WRONG))
def test_nothing_else_is_reported(source: str, expected: list[str]) -> None:
    assert len(problems(source)) == len(expected)


@pytest.mark.alone
def test_alias_bomb_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    start = time.perf_counter()
    assert "more than 10000 values (with aliases written out)" in problems("\n".join(lines))[0]
    assert time.perf_counter() - start < 2
