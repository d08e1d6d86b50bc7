"""Too little disk for the features of a grid is refused before anything starts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gad.datasets import catalog
from gad.harness import gridfile, plandisk, registry
from gad.harness.errors import StoreError
from gad.harness.executor import room
from gad.harness.executor.submit import Settings, submit
from gad.harness.nouns import FeatureInput
from gad.models.backbones.describe import resolve

GRID = "models: [winclip]\ndatasets: [textures]\nshots: [1]\nseeds: [0]\nbackbone: tiny\n"


def test_bytes_of_an_image() -> None:
    """tiny: 8x8 patches, 128-d embeddings, blocks 192 wide."""
    wanted = resolve(FeatureInput(backbone="tiny", layers=(2, 4), nearest=True, windows=(2,)))
    sizes = plandisk.row_bytes(wanted)
    normed = resolve(FeatureInput(backbone="tiny", layers=(2, 4), tokens=True, normed=True))
    assert plandisk.row_bytes(normed).keys() == {"class", "normed-02", "normed-04"}
    from gad.models.backbones.describe import describe

    known = describe("tiny")
    side, width, dim = known.sides[0], known.widths[0], known.embed_dim
    assert sizes == {
        "class": 4 * dim,
        "layer-02": 2 * side * side * width,
        "layer-04": 2 * side * side * width,
        "window-2": 2 * (side - 1) ** 2 * dim,
    }


def test_a_full_disk_is_refused(bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = gridfile.parse(
        GRID, gridfile.Known(registry.load().infos, catalog.DATASETS), file="g.yaml", folder=tmp_path
    )
    settings = Settings(data=bundled, results=tmp_path / "results", cache=tmp_path / "not" / "there")
    monkeypatch.setattr(plandisk, "free_bytes", lambda folder: 201_000_000)
    with pytest.raises(StoreError, match=r"need about .* in .*there .* 0\.20 GB are free") as refused:
        submit(grid, settings)
    for way in ("Nothing was started", "--features stream", "cache prune", "--cache DIR"):
        assert way in refused.value.fix
    assert not list((tmp_path / "results" / "runs").iterdir())


def test_a_cache_that_cannot_be_written_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cache folder .*/file/cache cannot be used: Not a directory"):
        room.for_cache(tmp_path / "file" / "cache")
    room.for_cache(tmp_path / "cache")
    monkeypatch.setattr(os, "access", lambda *_: False)  # who runs the tests may write everywhere
    with pytest.raises(StoreError, match="/cache is read-only\nName another with --cache DIR"):
        room.for_cache(tmp_path / "cache")


def test_free_bytes_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert plandisk.free_bytes(tmp_path / "a" / "b") == pytest.approx(free, rel=0.2)
