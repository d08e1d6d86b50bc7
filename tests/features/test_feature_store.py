"""The feature store: what comes back, and what damage, death and company do to it."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gad.harness import atomic
from gad.harness.errors import DataError
from gad.harness.features import shards
from gad.harness.features.shards import Stream, StreamInfo
from gad.harness.features.store import FeatureStore, MissingFeatures

CLASS = Stream(encoder="ab12", name="class")
LAYER = Stream(encoder="ab12", name="layer-07")


def rows(count: int, *shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, *(shape or (4,)))).astype(dtype)


def names(count: int, first: int = 0) -> list[str]:
    return [f"{number:064x}" for number in range(first, first + count)]


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "features")


def again(store: FeatureStore) -> FeatureStore:
    """The store as another process would see it."""
    return FeatureStore(store.folder)


def data_files(store: FeatureStore, stream: Stream = CLASS) -> list[Path]:
    return sorted(shards.folder_of(store.folder, stream).glob("*.npy"))


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    batches=st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=6), min_size=1, max_size=6),
    asked=st.lists(st.integers(0, 15), max_size=20),
    dtype=st.sampled_from(["float16", "float32"]),
    reopen=st.booleans(),
)
def test_rows_come_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    batches: list[list[int]],
    asked: list[int],
    dtype: str,
    reopen: bool,
) -> None:
    """Any batches, overlapping or with repeats, and any question: order and repeats are kept."""
    store, table = FeatureStore(tmp_path_factory.mktemp("s")), rows(16, 3, 2, seed=seed, dtype=dtype)
    digests = names(16)
    for batch in batches:
        store.write(LAYER, [digests[i] for i in batch], table[batch])
    reader = again(store) if reopen else store
    stored = {i for batch in batches for i in batch}
    question = [digests[i] for i in asked]
    absent = [digests[i] for i in dict.fromkeys(asked) if i not in stored]
    assert reader.missing(LAYER, question) == absent
    if absent:
        with pytest.raises(MissingFeatures) as caught:
            reader.read(LAYER, question)
        assert list(caught.value.digests) == absent
    there = [i for i in asked if i in stored]
    found = reader.read(LAYER, [digests[i] for i in there])
    assert found.dtype == table.dtype
    assert found.tobytes() == table[there].tobytes()
    assert found.shape == (len(there), 3, 2)
    (info,) = reader.info()
    assert (info.rows, info.encoder, info.name) == (len(stored), "ab12", "layer-07")


def test_what_is_read_is_a_copy(store: FeatureStore) -> None:
    store.write(CLASS, names(2), rows(2))
    store.read(CLASS, names(2))[:] = 0
    assert np.array_equal(store.read(CLASS, names(2)), rows(2))


def test_streams_are_apart(store: FeatureStore) -> None:
    other = Stream(encoder="cd", name="class")
    for number, stream in enumerate((CLASS, LAYER, other)):
        store.write(stream, names(2), rows(2, 4 + number, seed=number))
    for number, stream in enumerate((CLASS, LAYER, other)):
        assert np.array_equal(store.read(stream, names(2)), rows(2, 4 + number, seed=number))
    assert [(i.encoder, i.name, i.rows, i.shards) for i in store.info()] == [
        ("ab12", "class", 2, 1),
        ("ab12", "layer-07", 2, 1),
        ("cd", "class", 2, 1),
    ]


def test_a_data_file_is_what_numpy_would_save(store: FeatureStore) -> None:
    for stream, table in ((CLASS, rows(3)), (LAYER, rows(6, 5, 8, dtype="float16")[::2].swapaxes(1, 2))):
        store.write(stream, names(3), table)
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(table))
        assert data_files(store, stream)[0].read_bytes() == buffer.getvalue()
        assert np.array_equal(again(store).read(stream, names(3)), table)


def test_the_same_shard_twice_is_stored_once(store: FeatureStore) -> None:
    for writer in (store, store, again(store)):
        writer.write(CLASS, names(3), rows(3))
    assert len(data_files(store)) == 1


def test_equal_rows_of_different_images_are_both_kept(store: FeatureStore) -> None:
    store.write(CLASS, names(1), np.ones((1, 4), np.float32))
    store.write(CLASS, names(1, 1), np.ones((1, 4), np.float32))
    assert again(store).missing(CLASS, names(2)) == []


def test_an_empty_store(store: FeatureStore) -> None:
    assert store.missing(CLASS, ["b", "a", "b"]) == ["b", "a"]
    assert store.info() == []
    assert store.prune() == 0
    store.refresh()
    store.write(CLASS, [], rows(0))
    assert not store.folder.exists()
    with pytest.raises(DataError, match="nothing is stored"):
        store.read(CLASS, [])
    store.write(CLASS, names(1), rows(1))
    assert again(store).read(CLASS, []).shape == (0, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_by_name(store: FeatureStore, value: float) -> None:
    broken = rows(3)
    broken[1, 2] = value
    with pytest.raises(DataError, match=names(3)[1]):
        store.write(CLASS, names(3), broken)
    assert store.missing(CLASS, names(3)) == names(3)


def test_rows_of_another_form_are_refused(store: FeatureStore) -> None:
    store.write(CLASS, names(2), rows(2))
    for writer in (store, again(store)):
        with pytest.raises(DataError, match=r"float16 \[4\] do not fit the stored float32 \[4\]"):
            writer.write(CLASS, names(2), rows(2, dtype="float16"))
        with pytest.raises(DataError, match=r"float32 \[5\] do not fit the stored float32 \[4\]"):
            writer.write(CLASS, names(2), rows(2, 5))
    for wrong in (rows(2, dtype="float64"), rows(2).astype(">f4"), rows(2).astype(str)):
        with pytest.raises(DataError, match="expected little-endian"):
            store.write(CLASS, names(2), wrong)
    for count, wrong in ((3, rows(2)), (4, rows(4)[:, 0])):
        with pytest.raises(DataError, match=r"one row \[...\] for each digest"):
            store.write(CLASS, names(count), wrong)
    assert np.array_equal(store.read(CLASS, names(2)), rows(2))
    assert not list(store.folder.rglob(".tmp-*"))


@pytest.mark.parametrize("field", [{"encoder": "../x"}, {"encoder": "AB"}, {"name": "a/b"}, {"name": ".."}])
def test_stream_names_stay_inside_the_store(field: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Stream.model_validate({"encoder": "ab", "name": "class"} | field)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


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


def test_a_missing_features_error_survives_pickling(store: FeatureStore) -> None:
    with pytest.raises(MissingFeatures) as caught:
        store.read(CLASS, ["a", "b"])
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.digests, str(copy)) == (("a", "b"), str(caught.value))


def test_a_pickled_store_is_its_folder(store: FeatureStore) -> None:
    store.write(LAYER, names(50), rows(50, 20, 20))
    store.read(LAYER, names(50))
    carried = pickle.dumps(store)
    assert len(carried) < 1000
    assert np.array_equal(pickle.loads(carried).read(LAYER, names(50)), rows(50, 20, 20))


def run_script(script: str, *arguments: object, wait: bool = True) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)])
    if wait:
        process.wait(timeout=60)
    return process


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


def test_info_counts_an_image_once(store: FeatureStore) -> None:
    store.write(CLASS, names(3), rows(3))
    store.write(CLASS, names(3, 2), rows(3, seed=1))
    size = sum(path.stat().st_size for path in (store.folder / "ab12" / "class").iterdir())
    assert store.info() == [StreamInfo(encoder="ab12", name="class", rows=5, bytes=size, shards=2)]


@pytest.mark.alone
def test_reading_is_fast(store: FeatureStore) -> None:
    """2,000 rows from 20 shards in any order, the first time and again: seconds would be a mistake."""
    table, digests = rows(2000, 25, 64, dtype="float16"), names(2000)
    for start in range(0, 2000, 100):
        store.write(LAYER, digests[start : start + 100], table[start : start + 100])
    order = np.random.default_rng(1).permutation(2000)
    reader = again(store)
    for limit in (1.0, 0.5):
        started = time.perf_counter()
        found = reader.read(LAYER, [digests[i] for i in order])
        assert time.perf_counter() - started < limit
        assert np.array_equal(found, table[order])
