"""The feature store: what is written comes back, and what does not fit is refused."""

from __future__ import annotations

import io
import pickle
import time

import numpy as np
import pytest
from featurerows import CLASS, LAYER, again, data_files, names, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gad.harness.errors import DataError
from gad.harness.features.shards import Stream, StreamInfo
from gad.harness.features.store import FeatureStore, MissingFeatures


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
