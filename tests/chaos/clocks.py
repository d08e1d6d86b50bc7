"""A clock that is set forward and back while the driver and its ingester run."""

from __future__ import annotations

from pathlib import Path
from random import Random

from chaos.stage import Stage

# Python imports a module of this name before anything else.
SITE = '''
import os, random, time

def _jumping(real=time.time, steady=time.monotonic):
    seed = os.environ["CHAOS_CLOCK"]
    def jump():
        """Every half second the clock is somewhere else within a month."""
        return real() + random.Random(f"{seed} {int(steady() * 2)}").uniform(-1.3e6, 1.3e6)
    return jump

if "CHAOS_CLOCK" in os.environ:
    time.time = _jumping()
'''


def jumps(stage: Stage, random: Random) -> None:
    folder = stage.bench.folder / "clock"
    folder.mkdir(exist_ok=True)
    Path(folder / "sitecustomize.py").write_text(SITE)
    path = f"{folder}:{stage.bench.environment['PYTHONPATH']}"
    stage.start(PYTHONPATH=path, CHAOS_CLOCK=str(random.random()))
    stage.now()
