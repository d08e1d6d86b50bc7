"""What the tests of the store share."""

from __future__ import annotations

from pathlib import Path

import pytest

from gad.harness.store.layout import Layout


@pytest.fixture
def results(tmp_path: Path) -> Path:
    Layout(tmp_path / "results").make()
    return tmp_path / "results"
