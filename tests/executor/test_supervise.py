"""The supervised process by itself, without Ray."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support import wait_for

from gad.harness.adapter import Scored
from gad.harness.errors import ModelError
from gad.harness.executor import memory, supervise
from gad.harness.executor.child import out_of_memory
from gad.harness.executor.returned import MapFile, checked
from gad.harness.executor.supervise import Child, ChildEnded
from gad.harness.nouns import Limits


@pytest.fixture
def child(strangers: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYTHONPATH", str(strangers))
    made = Child(threads=1)
    yield made
    made.close()


def message(tmp_path: Path, how: str, seconds: float = 0.0) -> dict[str, Any]:
    path = tmp_path / "images.npy"
    np.save(path, np.random.default_rng(0).integers(0, 255, (54, 8, 8, 3), dtype=np.uint8))
    return {
        "kind": "images",
        "images": str(path),
        "prompts": 2,
        "first_query": 4,
        "batch_size": 50,
        "info": "hostile_models.info:INFO",
        "options": {"how": how, "seconds": seconds},
        "category": "c",
        "text": "c",
        "seed": 0,
        "maps": "",
    }


def test_peak_memory_is_the_detectors_own() -> None:
    """Not that of the process that starts it, which getrusage would count on Linux."""
    held = np.ones(60_000_000)  # 480 MB
    child = Child(threads=1)
    try:
        reply = child.ask({"do": "nothing known"}, Limits())
    finally:
        child.close()
    assert reply["error_type"] == "KeyError"
    assert 10 < reply["peak_memory_mb"] < held.nbytes / 2**20


def test_scores_come_back_exactly(child: Child, tmp_path: Path) -> None:
    images = message(tmp_path, "good")
    reply = child.ask(images, Limits())
    pixels = np.load(images["images"]).astype(np.float64)
    expected = np.abs(pixels[4:] - pixels[:2].mean(axis=0)).mean(axis=(1, 2, 3))
    assert reply["scores"] == expected.tolist()
    assert reply["peak_memory_mb"] > 10


def test_a_python_error_leaves_the_process_usable(child: Child, tmp_path: Path) -> None:
    assert child.ask(message(tmp_path, "raises"), Limits())["error_type"] == "ValueError"
    assert child.last_output == "about to raise <b>\n"
    assert len(child.ask(message(tmp_path, "good"), Limits())["scores"]) == 50


def test_the_time_limit_is_kept(child: Child, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ChildEnded, match=r"part_seconds = 0\.5") as ended:
        child.ask(message(tmp_path, "spins"), Limits(part_seconds=0.5))
    assert ended.value.kind == "timeout"
    again = pickle.loads(pickle.dumps(ended.value))  # as on its way to the driver
    assert (again.kind, str(again)) == (ended.value.kind, str(ended.value))
    assert time.monotonic() - started < 5
    assert child.process.poll() is not None


def test_a_child_dies_with_its_parent(strangers: Path, tmp_path: Path) -> None:
    """Also when the parent is killed without a chance to clean up, and while the adapter is busy."""
    script = (
        "import json, sys\nfrom gad.harness.executor.supervise import Child\nfrom gad.harness.nouns import Limits\n"
        "child = Child(1)\nprint(child.process.pid, flush=True)\n"
        f"child.ask({message(tmp_path, 'spins')!r}, Limits())"
    )
    environment = {**os.environ, "PYTHONPATH": str(strangers)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.5)
        assert psutil.pid_exists(pid)
        parent.send_signal(signal.SIGKILL)
    wait_for(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", 5, "the child to die"
    )


@pytest.mark.parametrize(
    "returned", [None, [1, 2, 3], [[1.0], [2.0]], ["a", "b"], [1j, 2j], [True, False], np.zeros((2, 1)), 1.0]
)
def test_wrong_returns_are_refused(returned: Any) -> None:
    with pytest.raises(ModelError, match=r"score\(\) returned"):
        checked(returned, 2)


def test_integers_and_lists_are_scores() -> None:
    assert checked([1, 2], 2).scores.tolist() == [1.0, 2.0]
    assert checked(np.array([0.5, 1.5], dtype=np.float32), 2).scores.tolist() == [0.5, 1.5]


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        (np.zeros((3, 4, 4)), r"shape \(3, 4, 4\) for 2 queries"),
        (np.zeros((2, 16)), r"shape \(2, 16\)"),
        (np.zeros((2, 0, 4)), r"shape \(2, 0, 4\)"),
        (np.array([["a"], ["b"]]), "maps of dtype"),
        (np.array([[[1.0]], [[np.nan]]]), "1 of 2, the first for query 1"),
        (np.full((2, 1, 1), 1e300), "infinite"),
    ],
)
def test_wrong_maps_are_refused(maps: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        checked(Scored(scores=np.zeros(2), maps=maps), 2)


def test_maps_and_parts_come_back(tmp_path: Path) -> None:
    maps = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    scored = checked(Scored([1, 2], maps, {"text": [3, 4]}), 2)  # type: ignore[arg-type, dict-item]
    assert scored.maps is not None
    assert (scored.scores.tolist(), scored.parts["text"].tolist()) == ([1, 2], [3, 4])
    assert (scored.maps == maps).all()
    file = MapFile(str(tmp_path / "maps.npy"), 4)
    file.add(0, scored.maps)
    file.add(2, scored.maps + 1)
    assert (np.load(tmp_path / "maps.npy") == np.concatenate([maps, maps + 1])).all()
    for other in (None, scored.maps[:, :2]):
        with pytest.raises(ModelError, match="for one batch and maps of 3x4 for another"):
            file.add(2, other)
    nothing = MapFile(str(tmp_path / "none.npy"), 4)
    nothing.add(0, None)
    assert not nothing.written


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (np._core._exceptions._ArrayMemoryError((10**9,), np.dtype(float)), True),  # type: ignore[attr-defined]
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error: Exception, memory: bool) -> None:
    assert out_of_memory(error) == memory


def test_a_kill_for_memory_is_told_from_another_kill(
    child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's count of such kills rose meanwhile: nothing else tells it from any other SIGKILL."""
    counts = iter([0, 1])
    monkeypatch.setattr(supervise, "killed_for_memory", lambda: next(counts))
    threading.Timer(0.3, child.process.kill).start()
    with pytest.raises(ChildEnded, match="ran out of memory") as ended:
        child.ask(message(tmp_path, "spins"), Limits())
    assert ended.value.kind == "memory"


def test_shared_memory_that_is_small_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As containers have it by default. What a process left that was killed goes, wherever it lies."""
    monkeypatch.setattr(memory.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(memory, "LEAST_SHARED_BYTES", 1 << 62)
    left = tmp_path / f"{memory.MEMORY_PREFIX}{2**22 + 1}-x"  # no process has so high a number
    left.mkdir()
    with memory.in_memory() as folder:
        assert folder.parent == tmp_path
        assert not left.exists()
    assert list(tmp_path.iterdir()) == []
