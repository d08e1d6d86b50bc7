"""What pruning the feature store removes, and what it leaves."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from featurerows import CLASS, LAYER, again, data_files, flip, names, rows

from gad.harness import atomic
from gad.harness.features.shards import Stream
from gad.harness.features.store import FeatureStore, MissingFeatures


def test_pruning_while_another_reads(store: FeatureStore) -> None:
    store.write(LAYER, names(20), rows(20, 9, 16, dtype="float16"))
    store.write(CLASS, names(20), rows(20))
    reader, late = again(store), again(store)
    reader.read(LAYER, names(1))
    assert late.missing(LAYER, names(20)) == []
    size = sum(info.bytes for info in store.info())
    assert size == sum(p.stat().st_size for p in store.folder.rglob("*") if p.suffix in {".npy", ".json"})
    assert store.prune() == size
    assert store.info() == []
    assert store.missing(LAYER, names(20)) == names(20)
    assert [path.name for path in store.folder.iterdir()] == [".lock"]
    # Who has it mapped keeps it; who only knew of it is told that it is gone.
    reader.refresh()
    assert np.array_equal(reader.read(LAYER, names(20)), rows(20, 9, 16, dtype="float16"))
    with pytest.raises(MissingFeatures) as caught:
        late.read(LAYER, names(20))
    assert list(caught.value.digests) == names(20)
    assert [path.name for path in store.folder.iterdir()] == [".lock"]


def test_pruning_one_encoder(store: FeatureStore) -> None:
    other = Stream(encoder="cd", name="text")
    store.write(CLASS, names(2), rows(2))
    store.write(other, names(2), rows(2))
    flip(data_files(store)[0])
    with pytest.raises(MissingFeatures):
        store.read(CLASS, names(2))
    assert store.prune("ab12") > 0  # what was set aside goes, too
    assert [info.encoder for info in store.info()] == ["cd"]
    assert not (store.folder / "ab12").exists()
    assert np.array_equal(store.read(other, names(2)), rows(2))


def test_pruning_and_writing_again(store: FeatureStore) -> None:
    store.write(CLASS, names(2), rows(2))
    store.read(CLASS, names(2))
    store.prune()
    store.write(CLASS, names(2), rows(2, 5, seed=1))  # even in another form
    assert np.array_equal(store.read(CLASS, names(2)), rows(2, 5, seed=1))


def test_pruning_removes_indices_first(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(CLASS, names(2), rows(2))
    store.write(CLASS, names(2, 2), rows(2, seed=1))

    def crash(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic, "fsync_file", crash)
    with pytest.raises(KeyboardInterrupt):
        store.prune()
    assert len(data_files(store)) == 2
    assert again(store).info() == []


def test_what_is_not_ours_is_left_alone(store: FeatureStore) -> None:
    store.write(CLASS, names(2), rows(2))
    strangers = [store.folder / "notes.npy", store.folder / "Other" / "class" / "x.json"]
    for path in strangers:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        os.utime(path, (0, 0))
    store.prune()
    assert all(path.read_text() == "mine" for path in strangers)
