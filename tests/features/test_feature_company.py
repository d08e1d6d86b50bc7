"""Several that read and write the feature store at once, and several copies of a row."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from featurerows import CLASS, again, data_files, names, rows, run_script

from gad.harness.features.store import FeatureStore

WRITER = """
import sys
from pathlib import Path
import numpy as np
from gad.harness.features.shards import Stream
from gad.harness.features.store import FeatureStore

folder, seed, offset = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store, table = FeatureStore(folder), np.random.default_rng(seed).standard_normal((60, 4)).astype(np.float32)
(folder / f"ready-{sys.argv[4]}").touch()
while len(list(folder.glob("ready-*"))) < 2:
    pass
for start in range(offset, 60 - 5, 5):
    store.write(Stream(encoder="ab12", name="class"), [f"{i:064x}" for i in range(start, start + 5)],
                table[start : start + 5])
"""


@pytest.mark.parametrize(("seeds", "offsets"), [((0, 0), (0, 0)), ((0, 1), (0, 2))])
def test_two_writers_at_once(store: FeatureStore, seeds: tuple[int, int], offsets: tuple[int, int]) -> None:
    """The same shards, or overlapping ones with other bits: each row is one of the two, always the same."""
    store.folder.mkdir()
    writers = [run_script(WRITER, store.folder, seeds[i], offsets[i], i, wait=False) for i in range(2)]
    reads = []
    while any(writer.poll() is None for writer in writers):
        absent = store.missing(CLASS, names(55))
        if stored := [digest for digest in names(55) if digest not in absent]:
            reads.append((stored, store.read(CLASS, stored)))
        time.sleep(0.01)
    assert reads
    assert [writer.returncode for writer in writers] == [0, 0]
    store.refresh()
    final = dict(zip(names(55), store.read(CLASS, names(55)), strict=True))
    for stored, values in reads:
        for digest, row in zip(stored, values, strict=True):
            assert np.array_equal(row, final[digest])
    tables = [np.random.default_rng(seed).standard_normal((60, 4)).astype(np.float32) for seed in seeds]
    for i, row in enumerate(final.values()):
        assert any(np.array_equal(row, table[i]) for table in tables)
    if seeds[0] == seeds[1]:
        assert len(data_files(store)) == 11
    fresh = [again(store).read(CLASS, names(55)) for _ in range(2)]
    assert np.array_equal(*fresh)


def test_a_second_copy_found_later_changes_no_read(tmp_path: Path) -> None:
    """Whichever of the two comes first in name order."""
    for seed in range(8):
        store, other = FeatureStore(tmp_path / f"a{seed}"), FeatureStore(tmp_path / f"b{seed}")
        store.write(CLASS, names(2), rows(2, seed=seed))
        other.write(CLASS, names(3), rows(3, seed=100 + seed))
        before = store.read(CLASS, names(2))
        shutil.copytree(other.folder, store.folder, dirs_exist_ok=True)
        store.refresh()
        assert len(store.read(CLASS, names(3))) == 3
        assert np.array_equal(store.read(CLASS, names(2)), before)
        first = min(data_files(store))
        assert np.array_equal(again(store).read(CLASS, names(2)), np.load(first)[:2])


def test_of_two_copies_not_yet_read_the_first_in_name_order_wins(tmp_path: Path) -> None:
    """So that processes that learnt of them in another order still read the same."""
    for seed in range(8):
        store, other = FeatureStore(tmp_path / f"a{seed}"), FeatureStore(tmp_path / f"b{seed}")
        store.write(CLASS, names(2), rows(2, seed=seed))
        other.write(CLASS, names(2), rows(2, seed=100 + seed))
        shutil.copytree(other.folder, store.folder, dirs_exist_ok=True)
        store.refresh()
        assert np.array_equal(store.read(CLASS, names(2)), np.load(min(data_files(store))))
        assert np.array_equal(again(store).read(CLASS, names(2)), np.load(min(data_files(store))))


def test_a_digest_given_twice_keeps_its_first_row(store: FeatureStore) -> None:
    store.write(CLASS, ["a", "b", "a"], rows(3))
    assert np.array_equal(store.read(CLASS, ["b", "a"]), rows(3)[[1, 0]])
    assert store.info()[0].rows == 2


def test_shards_written_by_others_are_found_when_missing(store: FeatureStore) -> None:
    reader = again(store)
    assert reader.missing(CLASS, names(2)) == names(2)
    store.write(CLASS, names(2), rows(2))
    assert reader.missing(CLASS, names(2)) == []
    store.write(CLASS, names(2, 2), rows(2, seed=1))
    assert np.array_equal(reader.read(CLASS, names(2, 2)), rows(2, seed=1))
