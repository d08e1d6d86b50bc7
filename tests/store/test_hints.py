"""Commands that errors recommend do what is meant when they are copied, also of a folder with an odd name."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gad.harness.errors import StoreError
from gad.harness.store import read
from gad.harness.store.layout import Layout


def test_rebuilding_names_the_folder_that_was_read(tmp_path: Path) -> None:
    results = tmp_path / "odd ' \" name"
    Layout(results).published.parent.mkdir(parents=True)
    Layout(results).published.write_bytes(b"no database")
    with pytest.raises(StoreError) as caught, read.connect(results):
        pass
    (command,) = re.findall("`(.*)`", str(caught.value))
    assert shlex.split(command) == ["harness", "db", "rebuild", "--results", str(results)]
