"""Where a fault happens: a working folder, the command that runs in it, and the cluster it runs on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil
import raws
from support import Bench, wait_for

from chaos.nodes import AGENTS, Nodes

# Forty parts, half of which take a quarter of a second: long enough for a random moment to be in the middle.
PIXELS = """
models: [pixel-knn, {name: hostile, options: {seconds: 0.25}}]
datasets: [digits-one-vs-all]
shots: [2, 4]
seeds: [0]
limits: {test_images: 40}
"""
# What meets an encoder, and is trained: features and a checkpoint in the cache. A dozen images.
TRAINED = """
backbone: tiny
models: [patchcore, {{name: inctrl, options: {{epochs: 1, steps: 2, batch: 4}}}}]
datasets: ['{raw}/target']
auxiliary: '{raw}/helper'
shots: [2]
seeds: [0]
training_seeds: [8, 9]
"""
SECONDS = 180.0


class TooLate(Exception):
    """The command had ended before the fault could be injected."""


@dataclass
class Stage:
    """``results`` and ``cache`` are fresh for every fault; ``undo`` restores what a fault took away."""

    bench: Bench
    nodes: Nodes
    grid: str = PIXELS
    process: subprocess.Popen[str] | None = None
    others: list[subprocess.Popen[str]] = field(default_factory=list)
    injected: float = 0.0
    harmed: set[str] = field(default_factory=set)  # segments that the fault itself destroyed
    undo: list[Callable[[], object]] = field(default_factory=list)
    mounted: list[Path] = field(default_factory=list)
    found: set[Path] = field(default_factory=set)  # files that the command has to find damaged, and to name
    said: str = ""
    shared: bool = False
    whole: str = ""  # the grid whose finished results are in the folder

    @property
    def cache(self) -> Path:
        return self.bench.folder / "gad-cache"

    def fresh(self, grid: str = PIXELS) -> None:
        for folder in (self.bench.results, self.cache):
            shutil.rmtree(folder, ignore_errors=True)
        self.again(grid)

    def again(self, grid: str = PIXELS) -> None:
        """Another fault on the results that are there."""
        self.grid, self.process, self.others, self.injected = grid, None, [], 0.0
        self.harmed, self.found, self.undo, self.said = set(), set(), [], ""

    def command(self) -> tuple[str, ...]:
        text = self.grid.format(raw=self.raw()) if self.grid == TRAINED else self.grid
        path = self.bench.grid(text, "trained.yaml" if self.grid == TRAINED else "pixels.yaml")
        return ("submit", "--grid", path, "--address", self.nodes.address)

    def raw(self) -> Path:
        """A folder with two tiny datasets in MVTec layout: what is scored, and what is trained on."""
        folder = self.bench.folder / "raw"
        if not folder.exists():
            raws.mvtec(folder / "target", "nut")
            raws.mvtec(folder / "helper", "bolt", "screw")
        return folder

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """Start the command; the first one started is the one that the fault is meant for.

        In a run that is ``shared`` by several faults, the one that is going on.
        """
        if self.shared and self.process is not None:
            return self.process
        kept = self.bench.environment
        self.bench.environment = {**kept, **environment}
        process = self.bench.start(*self.command())
        self.bench.environment = kept
        self.others.append(process)
        self.process = self.process or process
        return process

    def start_alone(self) -> None:
        """Start the command on this machine, without the cluster."""
        self.process = self.bench.start(*self.command()[: -len(("--address", self.nodes.address))])
        self.others.append(self.process)

    def finish(self) -> None:
        """Run the command undisturbed; it must succeed."""
        self.said += self.bench.run(*self.command(), timeout=SECONDS).stderr

    def segments(self) -> set[str]:
        return {path.name for path in (self.bench.results / "segments").glob("parts-*.parquet")}

    def damaged(self, path: Path) -> Path:
        """Note that the command has to find this file, and to name it."""
        self.now()
        self.found.add(path)
        return path

    @property
    def unnamed(self) -> list[Path]:
        """Damaged files of which the command said nothing. A checkpoint's folder has the name."""
        return [
            p
            for p in self.found
            if (p.parent.name if p.suffix == ".safetensors" else p.stem) not in self.said
        ]

    def moment(self, random: Random, *, started: bool = False) -> None:
        """Wait for a random moment: mostly while parts are scored, sometimes while the command starts."""
        assert self.process is not None
        if not started and random.random() < 0.25:
            time.sleep(random.uniform(0.2, 3.0))
        else:
            before = len(self.segments())
            wait_for(lambda: len(self.segments()) > before or self.ended, SECONDS, "a part")
            time.sleep(random.uniform(0.0, 0.3 if self.shared else 1.5))
        self.now()

    @property
    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def now(self) -> None:
        """The fault happens now. Raises TooLate when there is nothing left for it to disturb."""
        if self.ended:
            raise TooLate
        self.injected = time.monotonic()

    def wait(self) -> list[int]:
        """Exit codes of all that was started, once they have ended."""
        codes = []
        for process in self.others:
            try:
                _, said = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            self.said += said
            codes.append(process.returncode)
        return codes

    def restore(self) -> None:
        while self.undo:
            self.undo.pop()()

    def descendants(self, word: str) -> list[psutil.Process]:
        """Processes of the command, and of the cluster's nodes, whose command line has ``word``; no agents."""
        roots = [p.pid for p in self.others] + self.nodes.raylets()
        found = []
        for pid in roots:
            if psutil.pid_exists(pid):
                for process in psutil.Process(pid).children(recursive=True):
                    if word in (line := _line(process)) and not line.strip().startswith(AGENTS):
                        found.append(process)
        return found


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def kill(process: Any) -> None:
    try:
        process.kill()
    except (psutil.NoSuchProcess, ProcessLookupError):
        return
