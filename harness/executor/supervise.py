"""The parent of a child process that runs adapter code: starts it, limits it, outlives it.

The child may raise, hang, exit, segfault, fork, fill memory or print without end: it costs the one part
it was working on. What it prints is read all the time and only the end is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from gad.harness.nouns import Limits

TAIL_BYTES = 16_384
START_SECONDS = 120
POLL_SECONDS = 0.1
MODULE = "gad.harness.executor.child"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class ChildEnded(Exception):
    """The child could not answer. ``kind``: exited, timeout, memory, output."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple[object, ...]:
        return (ChildEnded, (self.kind, str(self)))  # it may have to reach the driver


class Child:
    """One supervised process. ``ask`` sends a message and waits for its reply within the limits.

    ``module`` is what runs in it, ``folder`` its working directory (None: this process's own).
    """

    def __init__(self, threads: int, *, module: str = MODULE, folder: Path | None = None) -> None:
        commands_read, commands_write = os.pipe()
        replies_read, replies_write = os.pipe()
        lifeline_read, lifeline_write = os.pipe()
        output_read, output_write = os.pipe()
        inherited = (commands_read, replies_write, lifeline_read)
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, inherited)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output_write,
            stderr=output_write,
            pass_fds=inherited,
            start_new_session=True,
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads)), "PYTHONUNBUFFERED": "1"},
        )
        for descriptor in (*inherited, output_write):
            os.close(descriptor)
        self.commands, self.replies = commands_write, replies_read
        self.lifeline, self.output = lifeline_write, output_read
        self.selector = selectors.DefaultSelector()
        self.selector.register(replies_read, selectors.EVENT_READ)
        self.selector.register(output_read, selectors.EVENT_READ)
        self.killed_before = killed_for_memory()
        self.tail = b""
        self.printed = 0
        self.waiting = b""
        self.number = 0  # of the message that is being answered: a reply to another one is none
        self._wait(Limits(part_seconds=START_SECONDS))

    @property
    def last_output(self) -> str:
        return self.tail.decode("utf-8", "replace")

    def ask(self, message: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
        """Send ``message``, return the reply. Raises ChildEnded, after killing the child's whole group."""
        self.tail, self.printed, self.waiting = b"", 0, b""
        self.number += 1
        self.killed_before = killed_for_memory()
        try:
            _write_all(self.commands, json.dumps({**message, "number": self.number}).encode() + b"\n")
        except BrokenPipeError:
            raise self._ended() from None
        return self._wait(limits)

    def _wait(self, limits: Limits) -> dict[str, Any]:
        deadline = time.monotonic() + limits.part_seconds
        while True:
            events = self.selector.select(timeout=POLL_SECONDS)
            ready = {key.fd for key, _ in events}
            if self.output in ready:
                self._read_output()
            if self.replies in ready:
                chunk = os.read(self.replies, 1 << 20)
                if not chunk:
                    raise self._ended()
                self.waiting += chunk
                while b"\n" in self.waiting:
                    line, _, self.waiting = self.waiting.partition(b"\n")
                    reply = self._reply(line)
                    if reply is not None:
                        self._drain()
                        return reply
            elif self.process.poll() is not None:
                # A process it forked may hold the pipe open: its end would never be seen there.
                raise self._ended()
            self._enforce(limits, deadline)

    def _reply(self, line: bytes) -> dict[str, Any] | None:
        """A reply to the present message; None for one to an earlier message (a forked process's echo).

        Raises ChildEnded for what is no reply at all: the process cannot be trusted any more.
        """
        try:
            reply = json.loads(line)
        except ValueError:
            reply = None
        if not isinstance(reply, dict) or not {"ready", "seconds", "error"} & reply.keys():
            raise self._stop("exited", "the adapter's process sent something that is no reply")
        if reply.get("number") != self.number:
            return None
        return {name: _text(value) if isinstance(value, str) else value for name, value in reply.items()}

    def _enforce(self, limits: Limits, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise self._stop("timeout", f"ran longer than part_seconds = {limits.part_seconds:g}")
        if self.printed > limits.part_output_mb * 1e6:
            raise self._stop("output", f"printed more than part_output_mb = {limits.part_output_mb:g}")
        used = memory_of(self.process.pid)
        if used > limits.part_memory_gb * 1e9:
            raise self._stop(
                "memory", f"held {used / 1e9:.1f} GB, more than part_memory_gb = {limits.part_memory_gb:g}"
            )

    def _read_output(self) -> None:
        chunk = os.read(self.output, 1 << 16)
        if not chunk:
            self.selector.unregister(self.output)
        self.printed += len(chunk)
        self.tail = (self.tail + chunk)[-TAIL_BYTES:]

    def _drain(self) -> None:
        """Take what was printed before the reply, without waiting for more."""
        os.set_blocking(self.output, False)
        try:
            for _ in range(64):  # a thread that prints without end must not hold us here
                chunk = os.read(self.output, 1 << 16)
                if not chunk:
                    return
                self.printed += len(chunk)
                self.tail = (self.tail + chunk)[-TAIL_BYTES:]
        except BlockingIOError:
            pass
        finally:
            os.set_blocking(self.output, True)

    def _stop(self, kind: str, message: str) -> ChildEnded:
        self.close()
        return ChildEnded(kind, message)

    def _ended(self) -> ChildEnded:
        """The child is gone by itself: say how. The kernel kills for memory without a word to us but a count."""
        kind = "exited"
        try:
            code = self.process.wait(timeout=5)
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
            if code == -signal.SIGKILL and killed_for_memory() > self.killed_before:
                kind, how = "memory", "was killed because the machine ran out of memory"
        except subprocess.TimeoutExpired:
            how = "closed its result pipe"
        self._drain()
        self.close()
        return ChildEnded(kind, f"the adapter's process {how} before it returned scores")

    def close(self) -> None:
        """Kill the child with everything it started, and release the pipes."""
        family = descendants(self.process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for process in family:  # those that left the process group
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        if self.commands >= 0:
            self.selector.close()
            for descriptor in (self.commands, self.replies, self.lifeline, self.output):
                os.close(descriptor)
            self.commands = -1


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _text(said: str) -> str:
    """Words of an adapter as they can be stored: half a surrogate pair, which no file can hold, is spelled out."""
    return said.encode("utf-8", "backslashreplace").decode()


def descendants(pid: int) -> list[psutil.Process]:
    """Every process that a process started and that still lives, directly or not."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def has_children(pid: int) -> bool:
    """Whether a process has living children. Cheap: asked after every part."""
    try:
        return any(path.read_text().strip() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    except OSError:
        return False


def killed_for_memory() -> int:
    """How many processes of this machine the kernel has killed because memory ran out."""
    try:
        counts = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(counts.get("oom_kill", 0))


def memory_of(pid: int) -> int:
    """Resident bytes of a process and all its descendants."""
    try:
        family = [psutil.Process(pid), *descendants(pid)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
