"""What damage and death do to the feature store."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from featurerows import CLASS, again, data_files, flip, names, rows, run_script

from gad.harness.features import shards
from gad.harness.features.store import FeatureStore, MissingFeatures


def swap_digests(path: Path) -> None:
    index = json.loads(path.read_bytes())
    index["digests"].reverse()
    path.write_text(json.dumps(index, sort_keys=True, separators=(",", ":")))


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "flipped byte": (".npy", flip),
    "truncated": (".npy", lambda path: os.truncate(path, path.stat().st_size - 5)),
    "empty": (".npy", lambda path: os.truncate(path, 0)),
    "deleted": (".npy", Path.unlink),
    "flipped byte in the index": (".json", flip),
    "truncated index": (".json", lambda path: os.truncate(path, 20)),
    "another index": (".json", swap_digests),
    "not text": (".json", lambda path: path.write_bytes(b"\xff\xfe")),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_shard_is_set_aside_and_missing(store: FeatureStore, kind: str) -> None:
    suffix, damage = DAMAGE[kind]
    store.write(CLASS, names(3), rows(3))
    (data,) = data_files(store)
    store.write(CLASS, names(2, 3), rows(2, seed=1))
    damage(data.with_suffix(suffix))
    reader = again(store)
    with pytest.raises(MissingFeatures, match="3 of 5") as caught:
        reader.read(CLASS, names(5))
    assert list(caught.value.digests) == names(3)
    assert reader.missing(CLASS, names(5)) == names(3)
    assert not data.exists()
    assert not data.with_suffix(".json").exists()
    aside = {path.name for path in (data.parent / "damaged").iterdir()}
    assert aside == {data.with_suffix(".json").name} | ({data.name} if kind != "deleted" else set())
    assert np.array_equal(reader.read(CLASS, names(2, 3)), rows(2, seed=1))
    # The caller encodes again, and all is well, for those who saw the damage and those who did not.
    reader.write(CLASS, names(3), rows(3))
    for anybody in (reader, store, again(store)):
        assert np.array_equal(anybody.read(CLASS, names(3)), rows(3))


def test_another_copy_takes_the_place_of_a_damaged_one(store: FeatureStore) -> None:
    store.write(CLASS, names(3), rows(3))
    store.write(CLASS, names(2, 2), rows(2, seed=1))
    first = min(data_files(store))
    flip(first)
    reader = again(store)
    held = json.loads(first.with_suffix(".json").read_text())["digests"]
    with pytest.raises(MissingFeatures) as caught:
        reader.read(CLASS, names(4))
    assert list(caught.value.digests) == [digest for digest in held if digest != names(3)[2]]
    assert len(reader.read(CLASS, [names(3)[2]])) == 1


def test_what_was_checked_once_is_not_checked_again(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(CLASS, names(3), rows(3))
    opened, real = [], shards.open_rows
    monkeypatch.setattr(shards, "open_rows", lambda *given: opened.append(given) or real(*given))
    for digest in names(3):
        store.read(CLASS, [digest])
    assert len(opened) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from gad.harness import atomic
from gad.harness.features.shards import Stream
from gad.harness.features.store import FeatureStore

def die(*given):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(atomic, sys.argv[2], die)
FeatureStore(Path(sys.argv[1])).write(Stream(encoder="ab12", name="class"), ["a"], np.ones((1, 4), np.float32))
"""


@pytest.mark.parametrize(("where", "left"), [("rename_durably", 0), ("write_bytes", 1)])
def test_a_writer_killed_before_its_index_leaves_nothing_that_counts(
    store: FeatureStore, where: str, left: int
) -> None:
    """``write_bytes`` writes the index: at that point the data file has its name already."""
    assert run_script(KILLED, store.folder, where).returncode == -signal.SIGKILL
    assert len(data_files(store)) == left
    assert store.missing(CLASS, ["a"]) == ["a"]
    assert store.info() == []
    # Young leftovers may be somebody's who is still writing; old ones go.
    leftovers = [path for path in store.folder.rglob("*") if path.suffix == ".npy" or ".tmp-" in path.name]
    assert len(leftovers) == 1
    assert store.prune("ee") == 0
    os.utime(leftovers[0], (time.time() - 4000,) * 2)
    size = leftovers[0].stat().st_size
    assert store.prune("ee") == size
    assert not leftovers[0].exists()


def test_what_a_killed_writer_left_does_not_hinder_the_next(store: FeatureStore) -> None:
    run_script(KILLED, store.folder, "write_bytes")
    store.write(CLASS, ["a"], np.ones((1, 4), np.float32))
    assert again(store).read(CLASS, ["a"]).tolist() == [[1.0] * 4]
    assert len(data_files(store)) == 1
