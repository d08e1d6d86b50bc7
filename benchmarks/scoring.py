"""Scoring 200 images at K = 4 with InCTRL on ViT-B-16-plus-240, in fp32, cold and warm.

    python benchmarks/scoring.py [--images N]

Weights and images are generated. Each time is a process of its own, from image files to scores as in a grid:
cold with an empty cache, warm with the features that the cold one left. Prints wall time, what of it was
loading the weights, processor time (which other programs disturb less), and peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import cell
import generated

SHOTS = 4


def once(place: Path, backbone: str) -> None:
    """Score everything in this process, and print what it took."""
    from gad.harness.executor.encode import encoder_of

    threads, started = os.cpu_count() or 1, time.perf_counter()
    unit, _ = cell.work(place / "things", backbone, place / "data", SHOTS)
    encoder_of(unit.input, threads)
    loaded = time.perf_counter()
    cell.cell(unit, "inctrl", place / "cache", threads, SHOTS)
    rest, used = time.perf_counter() - loaded, resource.getrusage(resource.RUSAGE_SELF)
    took = {"loading": loaded - started, "rest": rest, "cpu": used.ru_utime + used.ru_stime}
    print(json.dumps({**took, "peak_gb": used.ru_maxrss / 1024**2}))


def main() -> None:
    parser = argparse.ArgumentParser(description="Scoring images with InCTRL, cold and warm.")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--once", nargs=2, metavar=("PLACE", "BACKBONE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        once(Path(asked.once[0]), asked.once[1])
        return
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        generated.folder(place / "things", asked.images, SHOTS)
        backbone = generated.weights(cell.ARCHITECTURE, place / "weights.pt")
        for how in ("cold", "warm"):
            started = time.perf_counter()
            command = [sys.executable, __file__, "--once", name, backbone]
            found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            print(
                f"{how}: {time.perf_counter() - started:.1f} s for {asked.images} images at K = {SHOTS} "
                f"({found['loading']:.1f} s loading weights, {found['rest']:.1f} s encoding and scoring), "
                f"{found['cpu']:.1f} s of processor time, peak memory {found['peak_gb']:.2f} GiB",
                flush=True,
            )


if __name__ == "__main__":
    main()
