"""Disks without room, and disks that became read-only. Mounting needs root; elsewhere these are not run."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from random import Random

from chaos.stage import Stage

ROOM = 230  # MB; a run is refused where less than 200 MB are free


class NotHere(Exception):
    """This machine cannot do that."""


def full(stage: Stage, random: Random) -> None:
    _mount(stage, stage.bench.results)
    stage.start()
    stage.moment(random, started=True)
    _fill(stage, stage.bench.results)


def full_cache(stage: Stage, random: Random) -> None:
    _mount(stage, stage.cache)
    _fill(stage, stage.cache, leave=random.randrange(0, 60_000))
    stage.start()
    stage.now()


def read_only(stage: Stage, random: Random) -> None:
    """Remounted read-only while it runs; refused by the kernel for as long as somebody writes."""
    _mount(stage, stage.bench.results)
    stage.start()
    stage.moment(random, started=True)
    while _try("mount", "-o", "remount,ro", str(stage.bench.results)):
        time.sleep(0.02)
        stage.now()
    stage.undo.append(lambda: _do("mount", "-o", "remount,rw", str(stage.bench.results)))


def _mount(stage: Stage, folder: Path) -> None:
    if folder in stage.mounted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() or _try("mount", "-t", "tmpfs", "-o", f"size={ROOM}m", "tmpfs", str(folder)):
        raise NotHere
    stage.mounted.append(folder)


def _fill(stage: Stage, folder: Path, leave: int = 0) -> None:
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as handle:
        try:
            while True:
                handle.write(bytes(1 << 20))
        except OSError:
            handle.truncate(max(handle.tell() - leave, 0))
    stage.undo.append(filler.unlink)


def unmount(folder: Path) -> None:
    _do("umount", "--lazy", str(folder))


def _try(*command: str) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode


def _do(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=True)
