"""Fixtures of the whole suite."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from gad.datasets.prepare import ensure_bundled

# The first example of a test often pays for an import: time is not what these tests are about.
settings.register_profile("here", deadline=None)
settings.load_profile("here")

BUNDLED = ("digits-one-vs-all", "digits-multi-class", "textures")


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the bundled datasets prepared. Shared: do not write into it."""
    data = tmp_path_factory.mktemp("bundled")
    for name in BUNDLED:
        ensure_bundled(name, data)
    return data
