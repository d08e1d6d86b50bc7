"""Child processes are kept for the methods of a grid, as far as memory allows."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import psutil
import pytest

from gad.harness.executor.attempts import Children

METHODS = [f"method-{number}" for number in range(9)]  # the variants of the ablation


@pytest.fixture
def children() -> Iterator[Children]:
    kept = Children()
    yield kept
    for child in kept.idle.values():
        child.close()


def turn(children: Children) -> list[int]:
    """Process ids of one child after the other, as a unit asks for them."""
    found = []
    for method in METHODS:
        child = children.take(method, 1)
        found.append(child.process.pid)
        children.give_back(method, 1, child)
    return found


def test_the_next_unit_finds_them_alive(children: Children) -> None:
    first = turn(children)
    assert len(set(first)) == len(METHODS)
    assert turn(children) == first


def test_one_is_kept_when_memory_is_short(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=24, total=100))
    turn(children)
    assert [method for method, _ in children.idle] == METHODS[-1:]
