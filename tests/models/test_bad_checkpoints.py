"""Files that pretend to be weights, checkpoints, prompts or arrays: refused in words, and nothing executes."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gad.harness import images, promptfiles
from gad.harness.errors import HarnessError
from gad.harness.executor import released_prompts, trainings
from gad.harness.features import shards
from gad.models.backbones import weights
from gad.models.backbones.spec import BackboneSpec
from gad.models.inctrl import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore")


class Evil:
    """Unpickled, it leaves a file: the proof that something was executed."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (self.mark,))


Make = Callable[[Path, str], object]


def zipped_pickle(path: Path, mark: str) -> None:
    """The layout of torch.save, by hand."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"state": Evil(mark)}))
        archive.writestr("archive/version", "3")


def evil_array(path: Path, mark: str) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Evil(mark)], dtype=object), allow_pickle=True)
    path.write_bytes(buffer.getvalue())


FILES: dict[str, Make] = {
    "a pickle": lambda path, mark: path.write_bytes(pickle.dumps(Evil(mark))),
    "an old pickle": lambda path, mark: path.write_bytes(pickle.dumps(Evil(mark), protocol=0)),
    "a pickle in a state": lambda path, mark: torch.save({"w": torch.ones(2), "x": Evil(mark)}, path),
    "torch's old layout": lambda path, mark: torch.save(
        {"model_state": Evil(mark)}, path, _use_new_zipfile_serialization=False
    ),
    "torch's layout by hand": zipped_pickle,
    "an array of objects": evil_array,
    "a list": lambda path, mark: torch.save([1, 2, 3], path),
    "a number": lambda path, mark: torch.save(7, path),
    "strings": lambda path, mark: torch.save({"a": "b"}, path),
    "an empty file": lambda path, mark: path.write_bytes(b""),
    "text": lambda path, mark: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
    "a zip of nothing": lambda path, mark: zipfile.ZipFile(path, "w").close(),
    "a header without end": lambda path, mark: path.write_bytes(struct.pack("<Q", 2**62) + b"{}"),
    "offsets beyond the end": lambda path, mark: path.write_bytes(_safetensors([0, 10**9])),
    "a folder": lambda path, mark: path.mkdir(),
    "nothing": lambda path, mark: None,
}


def _safetensors(offsets: list[int]) -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [250_000_000], "data_offsets": offsets}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(8)


READERS: dict[str, Callable[[Path], object]] = {
    "open_clip weights": lambda path: weights.read(
        BackboneSpec(family="open_clip", name="ViT-B-16-plus-240", file=str(path))
    ),
    "timm weights": lambda path: weights.read(BackboneSpec(family="timm", name="resnet18", file=str(path))),
    "an InCTRL checkpoint": lambda path: checkpoint.read(path, "tiny"),
    "a training's checkpoint": trainings.header,
    "a prompt file": promptfiles.read,
    "released prompts": lambda path: released_prompts._read(path, 2),
}


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
def test_refused_and_nothing_executes(reader: Callable[[Path], object], suffix: str, tmp_path: Path) -> None:
    """Every file through every reader: an error of ours that names the file."""
    mark = tmp_path / "executed"
    for name, make in FILES.items():
        path = tmp_path / f"{name}{suffix}"
        make(path, str(mark))
        with pytest.raises(HarnessError) as raised:
            reader(path)
        assert path.name in str(raised.value), name
        assert not mark.exists(), f"{name} was executed"


def test_arrays_of_objects_are_not_loaded(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    evil_array(tmp_path / "a.npy", str(mark))
    with pytest.raises(HarnessError, match=r"a\.npy"):
        images._array(tmp_path / "a.npy")
    stream = shards.Stream(encoder="ab", name="class")
    index, _ = shards.make(stream, ["00"], np.ones((1, 2), np.float32))
    assert shards.open_rows(tmp_path, "a", index) is None
    assert not mark.exists()
    np.load(tmp_path / "a.npy", allow_pickle=True)
    assert mark.exists(), "the file of this test does nothing, so that the test says nothing"
