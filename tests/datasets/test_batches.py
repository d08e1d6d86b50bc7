"""Pickles are read, never run."""

from __future__ import annotations

import os
import pickle
import pickletools
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gad.datasets import batches
from gad.harness.errors import DataError

ROWS = 3


def made() -> np.ndarray:
    return np.arange(ROWS * 3072, dtype=np.int64).astype(np.uint8).reshape(ROWS, 3072)


def put(folder: Path, content: bytes) -> Path:
    path = folder / "data_batch_1"
    path.write_bytes(content)
    return path


class Evil:
    """Runs a command when a common reader loads it."""

    def __init__(self, call: object, *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return self.call, self.arguments


@pytest.mark.parametrize("call", [os.system, eval, exec, print, getattr, open])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path, call: object, protocol: int) -> None:
    proof = tmp_path / "ran"
    evil = Evil(call, f"touch {proof}" if call is os.system else f"open({str(proof)!r}, 'w')")
    for held in (evil, {b"data": evil, b"labels": [0]}, {b"data": made(), b"labels": [0] * ROWS, b"x": evil}):
        path = put(tmp_path, pickle.dumps(held, protocol))
        with pytest.raises(DataError, match="loading it would run") as raised:
            batches.read(path)
        assert str(path) in raised.value.message
    assert not proof.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'id'\ntR.",  # GLOBAL
        b"(S'id'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'id'\no.",  # OBJ
        b"\x80\x02cnumpy\nload\nU\x01xR.",
        b"\x80\x02cnumpy.core.multiarray\nscalar\n.",
        b"\x80\x02cnumpy._core.multiarray\n__builtins__\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.__doc__\x93.",  # a name with a dot
        b"\x80\x02\x82\x05.",  # EXT1
    ],
)
def test_every_way_to_a_name_is_closed(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="loading it would run"):
        batches.read(put(tmp_path, content))


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02c_codecs\nencode\n}U\x01aU\x01bsb.",  # sets an attribute of a function
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x86R.",  # another codec
        b"\x80\x02U\x01aU\x01b\x85R.",  # calls a string
        b"\x80\x02P1\n.",  # a persistent id
        b"\x80\x02]q\x00h\x00a.",  # a list that holds itself
        pickle.dumps({}),
        pickle.dumps([1]),
        pickle.dumps({b"data": 1, b"labels": [0]}),
        pickle.dumps({b"data": made(), b"labels": [0] * (ROWS - 1)}, 2),
        pickle.dumps({b"data": made(), b"labels": [10] * ROWS}, 2),
        pickle.dumps({b"data": made(), b"labels": [True] * ROWS}, 2),
        pickle.dumps({b"data": made().astype(np.int32), b"labels": [0] * ROWS}, 2),
        pickle.dumps({b"data": made()[:, :100], b"labels": [0] * ROWS}, 2),
        pickle.dumps({b"data": np.array([None] * ROWS), b"labels": [0] * ROWS}, 2),
        b"",
        b"\x80\x02.",
        b"not a pickle",
    ],
)
def test_what_is_no_batch_is_damaged(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="is damaged"):
        batches.read(put(tmp_path, content))


def python2() -> bytes:
    """A batch as Python 2 and NumPy of 2009 wrote it: byte strings, and the state of an array."""
    data = made().tobytes()
    return b"".join(
        [
            b"\x80\x02}(U\x06labels](",
            *(b"K" + bytes([label]) for label in range(ROWS)),
            b"eU\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R",
            b"(K\x01K" + bytes([ROWS]) + b"M" + struct.pack("<H", 3072) + b"\x86",
            b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89T" + struct.pack("<i", len(data)) + data + b"tbu.",
        ]
    )


def test_a_batch_of_python_2(tmp_path: Path) -> None:
    pickletools.dis(python2(), out=open(os.devnull, "w"))  # noqa: SIM115 - it is well formed
    pixels, labels = batches.read(put(tmp_path, python2()))
    assert labels == [0, 1, 2]
    assert np.array_equal(pixels.transpose(0, 3, 1, 2).reshape(ROWS, -1), made())


def test_an_array_stored_by_columns(tmp_path: Path) -> None:
    content = pickle.dumps({b"data": np.asfortranarray(made()), b"labels": [0] * ROWS}, 2)
    pixels, _ = batches.read(put(tmp_path, content))
    assert np.array_equal(pixels.transpose(0, 3, 1, 2).reshape(ROWS, -1), made())


@settings(max_examples=200)
@given(st.data())
def test_damage_is_an_error_or_a_batch(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Bytes changed or cut in the part that is no pixels."""
    content = bytearray(python2())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, 160))
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    path = put(tmp_path_factory.mktemp("damaged"), bytes(content[:cut]) if cut < 200 else bytes(content))
    try:
        pixels, labels = batches.read(path)
    except DataError:
        return
    assert pixels.shape == (len(labels), 32, 32, 3)


@pytest.mark.parametrize("content", [b"", b"x" * 3072, b"\x0a" + bytes(3072)])
def test_wrong_binary_batches(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        batches.read(path)
