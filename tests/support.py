"""What several tests need: running the command line, and a third party's package of misbehaving models."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

HARNESS = Path(sys.executable).with_name("harness")


class Bench:
    """A working folder with its own data and results, from which `harness` is run as a user would."""

    def __init__(self, folder: Path, *, data: Path | None = None, path: Path | None = None) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.data = data or folder / "data"
        self.environment = {**os.environ, "GAD_RESULTS": str(self.results), "GAD_DATA": str(self.data)}
        self.strangers = path is not None
        if path is not None:
            self.environment["PYTHONPATH"] = str(path)
        folder.mkdir(parents=True, exist_ok=True)

    def alone(self) -> Bench:
        """Without the strangers' models, which the session's cluster puts on everybody's path once it has started."""
        self.environment.pop("PYTHONPATH", None)
        return self

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [HARNESS, *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(
        self, *arguments: str, code: int | None = 0, timeout: float = 240
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; ``code`` is the exit code that is expected (None: any)."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        ended = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        if code is not None:
            assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        return ended

    def here(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """As :meth:`run`, but in this process: most of what a short command costs are its imports.

        Not for what starts Ray, nor with a stranger's package.
        """
        from gad.harness.cli import main

        out, err = io.StringIO(), io.StringIO()
        cache = {"GAD_CACHE": str(self.folder / "gad-cache")}  # a process knows a store by its path
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        with (
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, {**self.environment, **cache}, clear=True),
            mock.patch.object(sys, "argv", ["harness", *arguments]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main.run()
                ended = 0
            except SystemExit as error:
                ended = error.code if isinstance(error.code, int) else int(error.code is not None)
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)
        if code is not None:
            assert ended == code, f"exit {ended}\n{out.getvalue()}\n{err.getvalue()}"
        return subprocess.CompletedProcess([*arguments], ended, out.getvalue(), err.getvalue())

    def json(self, *arguments: str, code: int | None = 0) -> Any:
        # Readers need nobody's models; plans do.
        near = arguments[0] in ("results", "cache") or (arguments[0] == "plan" and not self.strangers)
        run = self.here if near else self.run
        return json.loads(run(*arguments, "--json", code=code).stdout)

    def grid(self, text: str, name: str = "grid.yaml") -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        import duckdb

        with duckdb.connect(str(self.results / "results.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def scores(self) -> dict[tuple[str, str], float]:
        """Every stored score by (part, sample)."""
        return {
            (part, sample): score
            for part, sample, score in self.query("SELECT part_id, sample_id, score FROM scores")
        }

    def table(self) -> list[dict[str, Any]]:
        """Results by dataset, without what differs between two runs of the same grid."""
        rows: list[dict[str, Any]] = self.json("results", "--by", "dataset")
        return [{k: v for k, v in row.items() if k != "last_run"} for row in rows]


def wait_for(condition: Any, seconds: float, what: str) -> None:
    """Wait until ``condition()`` is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.1)


HOSTILE_INFO = """
from typing import Literal
from gad.harness.nouns import Frozen, ImageInput, ModelInfo

class Options(Frozen):
    how: str = "good"
    category: str = ""
    shots: int = 0
    seed: int = -1
    seconds: float = 0.0

def inputs(options):
    return ImageInput(size=8)

INFO = ModelInfo(name="hostile", title="t", summary="s", adapter="hostile_models.adapter:Hostile",
                 options=Options, inputs=inputs, batch_size=50)
WHOLE = INFO.model_copy(update={"name": "whole", "transductive": True})
"""

HOSTILE_ADAPTER = '''
import ctypes, os, sys, time
import numpy as np
from gad.harness.adapter import Scored

class Hostile:
    """Plain class: no base. Misbehaves as told, in one category and K or everywhere."""

    def __init__(self, options, context):
        self.options, self.context = options, context

    def prepare(self, prompts):
        self.mean = prompts.astype(np.float64).mean(axis=0)
        self.shots = len(prompts)

    def score(self, queries):
        o = self.options
        time.sleep(o.seconds)
        scores = np.abs(queries - self.mean).mean(axis=(1, 2, 3))
        if (o.category not in ("", self.context.category)) or (o.shots not in (0, self.shots)) or (
            o.seed not in (-1, self.context.seed)
        ):
            return scores
        return getattr(self, o.how)(queries, scores)

    def maps(self, queries): return np.abs(queries - self.mean).mean(axis=3)
    def mapped(self, queries, scores): return Scored(scores, self.maps(queries))
    def nan_maps(self, queries, scores): return Scored(scores, self.maps(queries) * np.nan)
    def few_maps(self, queries, scores): return Scored(scores, self.maps(queries)[1:])
    def flat_maps(self, queries, scores): return Scored(scores, self.maps(queries).reshape(len(queries), -1))
    def huge_maps(self, queries, scores): return Scored(scores, self.maps(queries) + 1e6)
    def some_maps(self, queries, scores):
        self.batches = vars(self).get("batches", 0) + 1
        return Scored(scores, None if self.batches == 2 else self.maps(queries))
    def good(self, queries, scores): return scores
    def below_best(self, queries, scores): return scores - scores.max()
    def exits(self, queries, scores): os._exit(7)
    def segfaults(self, queries, scores): ctypes.string_at(0)
    def sleeps(self, queries, scores): time.sleep(3600)
    def spins(self, queries, scores):
        while True: pass
    def raises(self, queries, scores):
        print("about to raise <b>")
        raise ValueError("no good: <script>")
    def nan(self, queries, scores): scores[0] = np.nan; return scores
    def infinite(self, queries, scores): return scores / 0.0
    def count(self, queries, scores): return scores[:-1]
    def shape(self, queries, scores): return scores[:, None]
    def dtype(self, queries, scores): return scores.astype(str)
    def nothing(self, queries, scores): return None
    def writes(self, queries, scores): queries[:] = 0; return scores
    def prints(self, queries, scores):
        while True: sys.stdout.write("x" * 100_000)
    def leaks(self, queries, scores):
        kept = []
        while True: kept.append(np.ones(10_000_000)); time.sleep(0.01)
    def starves(self, queries, scores):
        if len(queries) > 25: raise MemoryError("no room for %d" % len(queries))
        return scores
    def hungers(self, queries, scores):
        if len(queries) > 25: self.leaks(queries, scores)
        return scores
    def starves_always(self, queries, scores): raise MemoryError
    def halves(self, queries, scores): raise ValueError("half a pair: \\udcff")
    def shouts(self, queries, scores): raise ValueError("loud " * 10_000_000)
    def mutes(self, queries, scores): sys.stdout = sys.stderr = None; raise ValueError("no more words")
    def counts(self, queries, scores): self.parameters = 10**30; return scores
    def daemons(self, queries, scores):
        if not vars(self).get("forked"):
            os.system("setsid sleep 4321 > /dev/null 2>&1 &")
        self.forked = True
        return scores
    def scribbles(self, queries, scores):
        with open(queries.filename, "r+b") as file: file.seek(200); file.write(bytes(5000))
        return scores
    def removes(self, queries, scores): os.remove(queries.filename); return scores
    def interrupts(self, queries, scores): raise KeyboardInterrupt
    def stops(self, queries, scores): sys.exit(0)
    def forks(self, queries, scores):
        if not vars(self).get("forked"):  # once: the copy goes on as if it were the adapter
            self.forked = True
            os.fork()
        return scores
    def closes(self, queries, scores): sys.stdout.close(); return scores
    def forks_and_exits(self, queries, scores):
        if os.fork() == 0: time.sleep(600)
        os._exit(3)
    def leaves(self, queries, scores):
        if not vars(self).get("forked") and os.fork() == 0:
            os.setsid()
            os.execvp("sleep", ["sleep", "4321"])
        self.forked = True
        return scores
    def babbles(self, queries, scores):
        for descriptor in range(3, 64):
            try: os.write(descriptor, b"[1, 2]\\n")
            except OSError: pass
        return scores
'''


def write_hostile(folder: Path) -> Path:
    """A third party's package as pip would have installed it; ``folder`` goes on PYTHONPATH."""
    package = folder / "hostile_models"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "info.py").write_text(HOSTILE_INFO)
    (package / "adapter.py").write_text(HOSTILE_ADAPTER)
    installed = folder / "hostile_models-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile-models\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        "[gad.models]\nhostile = hostile_models.info:INFO\nwhole = hostile_models.info:WHOLE\n"
    )
    return folder
