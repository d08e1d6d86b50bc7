"""Very many trivial jobs, of which one kills its process: it fails alone.

python tests/chaos/many.py [JOBS]      10,000 unless told otherwise; some minutes on two cores
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import Bench, write_hostile

from gad.datasets.prepare import ensure_bundled

SHOTS = 100
DATASET = "digits-multi-class"


def main(jobs: int) -> int:
    seeds = max(1, jobs // SHOTS)
    with tempfile.TemporaryDirectory(prefix="many-") as name:
        folder = Path(name)
        ensure_bundled(DATASET, folder / "data")
        bench = Bench(folder / "bench", data=folder / "data", path=write_hostile(folder / "strangers"))
        grid = (
            f"models: [{{name: hostile, options: {{how: exits, shots: {SHOTS // 2}, seed: {seeds // 2}}}}}]\n"
            f"datasets: [{DATASET}]\nshots: {list(range(1, SHOTS + 1))}\nseeds: {list(range(seeds))}\n"
            "limits: {test_images: 4}\n"
        )
        started = time.monotonic()
        bench.run("submit", "--grid", bench.grid(grid), "--yes", "--json", code=3, timeout=3600)
        seconds = time.monotonic() - started
        counts = dict(bench.query("SELECT status, count(*) FROM parts GROUP BY status"))
        failed = bench.query("SELECT shots, seed, attempts FROM parts WHERE status = 'failed'")
    print(f"{SHOTS * seeds} jobs in {seconds:.0f} s: {counts}; failed (K, seed, attempts): {failed}")
    alone = failed == [(SHOTS // 2, seeds // 2, 2)]
    return 0 if alone and counts == {"done": SHOTS * seeds - 1, "failed": 1} else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
