"""Decoding, resizing and cropping photographs on all cores, chunk by chunk, beside a bare Pillow loop.

What `harness submit` does with images that a model wants as pixels: encode tasks on Ray, a few chunks ahead
of whoever takes them, so that memory holds some chunks and never the set. The loop is one process with
Pillow alone. `decode-large` is the same for 5,000 photographs of 1024 pixels.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image
from rows import Row

SIZE = 240


def run() -> list[Row]:
    return measure(600, 768)


def large() -> list[Row]:
    return measure(5000, 1024)


def measure(count: int, side: int) -> list[Row]:
    import ray

    with tempfile.TemporaryDirectory() as name:
        root = photographs(Path(name), count, side)
        started, busy = time.perf_counter(), time.process_time()
        plain = pillow(root)
        naive, naive_busy = time.perf_counter() - started, time.process_time() - busy
        cores = len(os.sched_getaffinity(0))
        ray.init(address="local", num_cpus=cores, include_dashboard=False, log_to_driver=False)
        try:
            stream(units(root, 8 * cores, 2), cores)  # workers start and import before the clock does
            with peak_memory() as peak:
                started, busy = time.perf_counter(), cpu_seconds()
                total = stream(units(root, count, 256), cores)
                seconds, busy = time.perf_counter() - started, cpu_seconds() - busy
        finally:
            ray.shutdown()
    assert total == plain, "both sides have the same pixels"
    what = (
        f"decode {count} photographs of {side} px: {count / seconds:.0f} images/s, {busy:.1f} s of CPU time, "
    )
    against = f"Pillow in one process: {count / naive:.0f} images/s, {naive_busy:.1f} s of CPU time"
    return [Row(f"{what}peak {peak[0] / 2**20:.0f} MiB", seconds, against, naive)]


def cpu_seconds() -> float:
    """CPU time of this process and all its children so far: what a busy machine does not distort."""
    spent = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        spent += times.user + times.system
    return spent


def photographs(root: Path, count: int, side: int) -> Path:
    """JPEGs with some detail, each with a content of its own."""
    generator = np.random.default_rng(0)
    shades = generator.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    picture = Image.fromarray(shades).resize((side, side), Image.Resampling.BICUBIC)
    for number in range(count):
        picture.paste((number % 251, number // 251, 0), (0, 0, 16, 16))
        picture.save(root / f"{number:05d}.jpg", quality=90)
    return root


def pillow(root: Path) -> int:
    """The sum of all pixels, decoded and resized as plainly as it can be written."""
    total = 0
    for path in sorted(root.glob("*.jpg")):
        with Image.open(path) as image:
            pixels = image.resize((SIZE, SIZE), Image.Resampling.BICUBIC).convert("RGB")
        total += int(np.asarray(pixels, dtype=np.uint8).sum(dtype=np.int64))
    return total


def units(root: Path, count: int, chunk: int) -> Iterator[Any]:
    """Encode units of the first so many photographs."""
    from gad.harness.manifest import file_digest
    from gad.harness.nouns import ImageInput, Sample
    from gad.harness.units import EncodeUnit

    paths = sorted(root.glob("*.jpg"))[:count]
    for start in range(0, len(paths), chunk):
        samples = tuple(
            Sample(
                id=path.name, path=path.name, label=0, split="test", category="c", digest=file_digest(path)
            )
            for path in paths[start : start + chunk]
        )
        yield EncodeUnit(
            unit_id=f"u{start}", dataset="d", root=str(root), input=ImageInput(size=SIZE), samples=samples
        )


def stream(given: Iterator[Any], cores: int) -> int:
    """The sum of all pixels; as many chunks are under way as the driver has."""
    import ray

    from gad.harness.executor.order import Order
    from gad.harness.executor.tasks import encode_task
    from gad.harness.nouns import Limits

    order = Order(run_id="bench", methods={}, limits=Limits(), threads=1, cache="")
    ahead, running, total = 2 * cores + 2, [], 0
    for unit in given:
        running.append(encode_task.remote(unit, order, os.getpid())[0])
        if len(running) >= ahead:
            total += int(ray.get(running.pop(0)).sum(dtype=np.int64))
    while running:
        total += int(ray.get(running.pop(0)).sum(dtype=np.int64))
    return total


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """The most that this process and its children held at once, in bytes; memory they share counts once."""
    most, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.2):
            held = 0
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    held += process.memory_full_info().pss
                except psutil.Error:
                    continue
            most[0] = max(most[0], held)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        stop.set()
        watcher.join()
