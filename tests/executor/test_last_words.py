"""What is said when a run ends badly: how much was written, and that a second signal was heard."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gad.harness.cli import main
from gad.harness.errors import StoreError
from gad.harness.executor import driver, recorder, submit
from gad.harness.executor.progress import Counts


class _Full:
    """A recorder that writes some of what is left when it is closed, and then finds no room."""

    written = 3

    def __init__(self, _results: Path) -> None: ...

    def __enter__(self) -> _Full:
        return self

    def __exit__(self, *_: object) -> None:
        self.written = 7
        raise StoreError("no room")


def test_the_last_count_has_what_was_written_before_the_disk_was_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[int] = []
    counts = Counts(images_total=0, parts_total=9)
    progress = SimpleNamespace(counts=counts, close=lambda note: shown.append(counts.recorded))
    monkeypatch.setattr(recorder, "Recorder", _Full)
    monkeypatch.setattr(driver, "Driver", lambda *_: SimpleNamespace(run=lambda *_: None))
    plan, settings = SimpleNamespace(jobs=()), SimpleNamespace(results=Path(), max_failures=None)
    with pytest.raises(StoreError):
        submit._drive(*cast(Any, (plan, SimpleNamespace(parts=9), settings, None, progress, 1)))
    assert shown == [7]


def test_a_signal_after_the_last_word_is_answered(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """While Ray is put away after "interrupted", another one ends the program at once, and says so."""
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(SystemExit):
            main._interrupted()
        for number in before:
            signal.raise_signal(number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert ended == [1, 1]
    assert capfd.readouterr().err.count("ended at once") == 2
