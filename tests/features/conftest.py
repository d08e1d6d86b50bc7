"""What the tests of the feature store share."""

from __future__ import annotations

from pathlib import Path

import pytest

from gad.harness.features.store import FeatureStore


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "features")
