"""The processes that adapter code runs in during the suite: started in planted folders, limited, and watched."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from gad.harness import registry
from gad.harness.conformance.failures import CheckFailed
from gad.harness.conformance.opened import Opened
from gad.harness.conformance.planted import DATA, RESULTS, Field
from gad.harness.executor.supervise import Child, ChildEnded
from gad.harness.nouns import Limits

WATCHED = "gad.harness.conformance.watched"
LIMITS = Limits(part_seconds=120, part_memory_gb=8)
MAIN, FRESH = "main", "fresh"


class Watched(Child):
    """A process with eyes (:mod:`.watched`). ``told``: what goes with every message: the model, what it may not look
    at, and where its code lies."""

    def __init__(self, told: dict[str, Any], folder: Path) -> None:
        self.told = told
        super().__init__(1, module=WATCHED, folder=folder)

    def ask(self, message: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
        return super().ask({**self.told, **message}, limits)


class Processes:
    """Processes of one model, and the folder that they find. Use it as a context.

    ``home`` is a folder to import the model's package from where it is not installed. ``touched``: what their Python
    code looked at beside its input, in words. ``looked``: planted files that were opened meanwhile, whoever did it.
    """

    def __init__(self, model: registry.Model, home: str) -> None:
        self.model, self.info, self.home = model, model.info, home
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name).resolve()
        self.field = Field(self.folder)
        self.cache = self.folder / "gad-cache"
        self.opened = Opened([self.folder / DATA, self.folder / RESULTS])
        self.touched: dict[str, None] = {}
        self.looked: dict[Path, None] = {}
        self.children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for child in self.children.values():
            child.close()
        self.children.clear()
        self.opened.close()
        self._folder.cleanup()

    @cached_property
    def package(self) -> str:
        """The folder of the adapter's code (of a module by itself: its file)."""
        module = self.info.adapter.partition(":")[0]
        with self.around():
            return str(registry._place(module, self.info.name))

    @contextlib.contextmanager
    def around(self) -> Iterator[None]:
        """What processes that are started inside find: the planted folders, no GPU, and the model's package."""
        added = {
            "GAD_DATA": str(self.folder / DATA),
            "GAD_RESULTS": str(self.folder / RESULTS),
            "GAD_CACHE": str(self.cache),
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONPATH": os.pathsep.join(filter(None, [self.home, os.environ.get("PYTHONPATH", "")])),
        }
        before = dict(os.environ)
        os.environ.update(added)
        if self.home:
            sys.path.insert(0, self.home)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
            if self.home:
                sys.path.remove(self.home)

    def tell(self, message: dict[str, Any], child: str = MAIN) -> dict[str, Any]:
        """Send any command to a process, which is started when it is not there."""
        process = self.children.get(child)
        if process is None or process.process.poll() is not None:
            process = self.children[child] = self._start()
        try:
            with self._watching(process):
                reply = process.ask(message, LIMITS)
        except ChildEnded as ended:
            del self.children[child]
            raise CheckFailed(f"{ended}\n{process.last_output[-500:]}".strip()) from ended
        if "error" in reply:
            raise CheckFailed(f"{reply['error_type']}: {reply['error']}{self._line(reply['traceback'])}")
        return reply

    @contextlib.contextmanager
    def apart(self) -> Iterator[Child]:
        """A process for one training alone, as in a grid, and watched like the others."""
        child = self._start()
        try:
            with self._watching(child):
                yield child
        finally:
            child.close()

    def _start(self) -> Child:
        told = {
            "info": self.model.reference,
            "planted": [str(self.folder / DATA), str(self.folder / RESULTS)],
            "package": self.package,
        }
        with self.around():
            return Watched(told, self.folder)

    @contextlib.contextmanager
    def _watching(self, child: Child) -> Iterator[None]:
        """Note what is looked at meanwhile, also by what fails."""
        self.opened.take()  # what this process opened itself
        try:
            yield
        finally:
            self.looked.update(dict.fromkeys(self.opened.take()))
            if child.process.poll() is None:  # one that has ended says nothing any more
                self.touched.update(dict.fromkeys(child.ask({"do": "seen"}, LIMITS)["touched"]))

    def end(self, child: str) -> None:
        """End a process."""
        process = self.children.pop(child, None)
        if process is not None:
            process.close()

    def _line(self, trace: str) -> str:
        """The last line of the model's own code in a traceback, as `` (file:line)``."""
        own = [line.split('"') for line in trace.splitlines() if f'File "{self.package}' in line]
        return f" ({own[-1][1]}:{own[-1][2].split(',')[1].removeprefix(' line ')})" if own else ""

    @property
    def sees(self) -> str:
        """What the watching of files can and cannot see, in words."""
        native = "of the planted files" if self.opened.works else "not at all on this system"
        return (
            "Files: what Python code opens is seen wherever it lies, what native code or another program opens is "
            f"seen {native}. The network is not watched."
        )
