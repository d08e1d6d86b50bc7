"""The model that is checked, and how the checks run it: through the engine's own units, inputs and processes."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import ValidationError

from gad.harness import registry
from gad.harness.conformance import cases
from gad.harness.conformance.cases import Case
from gad.harness.conformance.failures import Blocked, CheckFailed
from gad.harness.conformance.opened import Opened
from gad.harness.conformance.planted import DATA, RESULTS, Field
from gad.harness.errors import HarnessError
from gad.harness.executor import score as scoring
from gad.harness.executor.encode import encoder_key, encoder_of
from gad.harness.executor.supervise import Child, ChildEnded
from gad.harness.methods import input_of
from gad.harness.nouns import Limits, ModelChoice

if TYPE_CHECKING:
    from numpy.typing import NDArray

WATCHED = "gad.harness.conformance.watched"
LIMITS = Limits(part_seconds=120, part_memory_gb=8)
SHOTS = 2  # of all checks but those of K
MAIN, FRESH = "main", "fresh"


class Subject:
    """One model with options. Use it as a context: it holds processes and a folder.

    ``home`` is a folder to import its package from where it is not installed; ``backbone`` is that of models
    that look through an encoder and were given none.
    """

    def __init__(
        self,
        model: registry.Model,
        *,
        options: Mapping[str, Any] | None = None,
        backbone: str = "tiny",
        home: str = "",
    ) -> None:
        self.model, self.info, self.home = model, model.info, home
        self.given, self.backbone = dict(options or {}), backbone
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name).resolve()
        self.field = Field(self.folder)
        self.cache = self.folder / "gad-cache"
        self.opened = Opened([self.folder / DATA, self.folder / RESULTS])
        self.looked: dict[Path, None] = {}
        self.children: dict[str, Child] = {}
        self.rows: dict[str, tuple[Any, int]] = {}
        self.changed = False  # whether it changed arrays that it was given

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
    def options(self) -> Any:
        """The options, checked; CheckFailed when the defaults or those given do not hold."""
        chosen = dict(self.given)
        if "backbone" in self.info.options.model_fields and not chosen.get("backbone"):
            chosen["backbone"] = self.backbone
        try:
            return self.info.options.model_validate(chosen)
        except ValidationError as error:
            raise CheckFailed(f"its options are not valid: {error}") from error

    @cached_property
    def wanted(self) -> Any:
        """What it wants to see, with everything spelled out."""
        options = self.options.model_dump(mode="json")
        try:
            return input_of(self.model, ModelChoice(name=self.info.name, options=options))
        except HarnessError as error:
            raise CheckFailed(str(error)) from error

    @cached_property
    def package(self) -> str:
        """The folder of the adapter's code (of a module by itself: its file)."""
        module = self.info.adapter.partition(":")[0]
        with self.around():
            return str(registry._place(module, self.info.name))

    @cached_property
    def encoder(self) -> str:
        """The encoder's key in the feature store."""
        return encoder_key(encoder_of(self.wanted, 1))

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

    def planted(self, category: str, *, shots: int = SHOTS, batch_size: int = 0) -> Case:
        """The planted images of a category as a case."""
        found = self.field[category]
        shots = max(shots, self.info.least_shots(self.options))
        return Case(category, found.prompts[:shots], found.queries, batch_size)

    def scores(self, case: Case, *, do: str = "part", child: str = MAIN) -> NDArray[np.float64]:
        """Scores of the case's queries in order. CheckFailed when the model does not give them."""
        return np.array(self.ask(case, do=do, child=child)["scores"], dtype=np.float64)

    def maps(self, case: Case) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
        """Scores and maps ``[n, h, w]`` of the case's queries (None: it gives none), as a grid asks that keeps maps."""
        reply = self.ask(case, maps=True)
        return np.array(reply["scores"], dtype=np.float64), reply["maps"]

    def ask(self, case: Case, *, do: str = "part", child: str = MAIN, maps: bool = False) -> dict[str, Any]:
        """The reply of the process that runs the adapter; with ``maps`` the maps themselves, or None."""
        unit = cases.unit_of(self, case)
        (part,) = unit.parts
        batch_size = case.batch_size or self.info.batch_size
        order = scoring.Order(
            run_id="",
            methods={"": scoring.Method(info=self.model.reference, batch_size=batch_size)},
            limits=LIMITS,
            threads=1,
            cache=str(self.cache),
            maps_most=int(maps),
        )
        with scoring.in_memory() as folder:
            inputs = cases.inputs_in(self, folder, unit, maps=maps)
            message = scoring.message_for(unit, part, order, inputs, batch_size)
            before = _contents(folder)
            reply = self.tell({**message, "do": do}, child)
            after = _contents(folder)
            self.changed = self.changed or any(after.get(name) != content for name, content in before.items())
            if maps:
                reply["maps"] = np.load(message["maps"], allow_pickle=False) if reply["maps"] else None
        return reply

    def tell(self, message: dict[str, Any], child: str = MAIN) -> dict[str, Any]:
        """Send any command to a process, which is started when it is not there."""
        process = self.children.get(child)
        if process is None or process.process.poll() is not None:
            with self.around():
                process = self.children[child] = Child(1, module=WATCHED, folder=self.folder)
        told = {
            "info": self.model.reference,
            "planted": [str(self.folder / DATA), str(self.folder / RESULTS)],
            "package": self.package,
        }
        self.opened.take()  # what this process opened itself
        try:
            reply = process.ask({**told, **message}, LIMITS)
        except ChildEnded as ended:
            del self.children[child]
            raise CheckFailed(f"{ended}\n{process.last_output[-500:]}".strip()) from ended
        finally:
            self.looked.update(dict.fromkeys(self.opened.take()))
        if "error" in reply:
            raise CheckFailed(f"{reply['error_type']}: {reply['error']}{self._line(reply['traceback'])}")
        return reply

    def end(self, child: str) -> None:
        """End a process."""
        process = self.children.pop(child, None)
        if process is not None:
            process.close()

    def _line(self, trace: str) -> str:
        """The last line of the model's own code in a traceback, as `` (file:line)``."""
        own = [line.split('"') for line in trace.splitlines() if f'File "{self.package}' in line]
        return f" ({own[-1][1]}:{own[-1][2].split(',')[1].removeprefix(' line ')})" if own else ""

    def training(self, shots: int) -> str:
        """The id of a training for K shots on the planted auxiliary surfaces, done when first asked for."""
        from gad.harness.conformance.trained import train

        return train(self, shots)

    @cached_property
    def _first(self) -> NDArray[np.float64] | CheckFailed:
        try:
            return self.scores(self.planted("slate"))
        except CheckFailed as failed:
            return failed

    def first_scores(self) -> NDArray[np.float64]:
        """Scores of the first part that was run. CheckFailed when it did not run."""
        if isinstance(self._first, CheckFailed):
            raise self._first
        return self._first

    @property
    def sees(self) -> str:
        """What the watching of files can and cannot see, in words."""
        native = "of the planted files" if self.opened.works else "not at all on this system"
        return (
            "Files: what Python code opens is seen wherever it lies, what native code or another program opens is "
            f"seen {native}. The network is not watched."
        )

    def run_first(self) -> str:
        """Run the first part unless that was done; why it did not run, or empty."""
        return str(self._first) if isinstance(self._first, CheckFailed) else ""

    @property
    def base(self) -> NDArray[np.float64]:
        """The same for checks that look at something else: Blocked when it did not run."""
        try:
            return self.first_scores()
        except CheckFailed as failed:
            raise Blocked("the model does not run: see check_runs") from failed


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
