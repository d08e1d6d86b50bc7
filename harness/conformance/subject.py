"""The model that is checked, and how the checks run it: through the engine's own units, inputs and processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from gad.harness import registry
from gad.harness.conformance import cases
from gad.harness.conformance.cases import Case
from gad.harness.conformance.failures import Blocked, CheckFailed
from gad.harness.conformance.processes import LIMITS, MAIN, Processes
from gad.harness.errors import HarnessError
from gad.harness.executor.attempts import message_for
from gad.harness.executor.encode import encoder_key, encoder_of
from gad.harness.executor.memory import in_memory
from gad.harness.executor.order import Method, Order
from gad.harness.methods import input_of
from gad.harness.nouns import ImageInput, ModelChoice

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOTS = 2  # of all checks but those of K


class Subject(Processes):
    """One model with options. Use it as a context: it holds processes and a folder.

    ``options`` come before those that its card is to be checked with, and these before its defaults.

    ``home`` is a folder to import its package from where it is not installed. ``backbone`` is that of models that
    have one and were given none; empty for the bundled ``tiny``, and for generated weights of the card's own
    architecture where a model looks at images and trains from there.
    """

    def __init__(
        self,
        model: registry.Model,
        *,
        options: Mapping[str, Any] | None = None,
        backbone: str = "",
        home: str = "",
    ) -> None:
        super().__init__(model, home)
        self.given, self.backbone = dict(options or {}), backbone
        self.rows: dict[str, tuple[Any, int]] = {}
        self.changed = False  # whether it changed arrays that it was given
        self.steps: list[Callable[[Subject], object]] = []  # all that was run, to run it again

    def anew(self) -> Subject:
        """The same model with processes, planted files and a folder of its own."""
        return Subject(self.model, options=self.given, backbone=self.backbone, home=self.home)

    @cached_property
    def options(self) -> Any:
        """The options, checked; CheckFailed when the defaults or those given do not hold."""
        chosen = {**self.info.check_with, **self.given}
        if "backbone" in self.info.options.model_fields and not chosen.get("backbone"):
            chosen["backbone"] = self.backbone or self._drawn() or "tiny"
        try:
            return self.info.options.model_validate(chosen)
        except ValidationError as error:
            raise CheckFailed(f"its options are not valid: {error}") from error

    def _drawn(self) -> str:
        """Generated weights for a model that looks at images itself, or ""."""
        from gad.models.backbones import generated
        from gad.models.backbones.spec import parse

        try:
            looks = isinstance(self.info.inputs(self.info.options()), ImageInput)
        except Exception:  # the card's functions are their author's; `wanted` says what is wrong
            return ""
        if not (looks and self.info.default_backbone):
            return ""
        spec = parse(self.info.default_backbone)
        name, path = spec.name.partition(".")[0], self.folder / "generated.safetensors"
        generated.write(f"timm:{name}" if spec.family == "timm" else name, path)
        return str(spec.model_copy(update={"name": name, "tag": "", "file": str(path)}))

    @cached_property
    def wanted(self) -> Any:
        """What it wants to see, with everything spelled out."""
        options = self.options.model_dump(mode="json")
        try:
            return input_of(self.model, ModelChoice(name=self.info.name, options=options))
        except HarnessError as error:
            raise CheckFailed(str(error)) from error

    @cached_property
    def encoder(self) -> str:
        """The encoder's key in the feature store."""
        return encoder_key(encoder_of(self.wanted, 1))

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
        self.steps.append(partial(Subject.ask, case=case, do=do, child=child, maps=maps))
        unit = cases.unit_of(self, case)
        (part,) = unit.parts
        batch_size = case.batch_size or self.info.batch_size
        order = Order(
            run_id="",
            methods={"": Method(info=self.model.reference, batch_size=batch_size)},
            limits=LIMITS,
            threads=1,
            cache=str(self.cache),
            maps_most=int(maps),
        )
        with in_memory() as folder:
            inputs = cases.inputs_in(self, folder, unit, maps=maps)
            message = message_for(unit, part, order, inputs, batch_size)
            before = _contents(folder)
            reply = self.tell({**message, "do": do}, child)
            after = _contents(folder)
            self.changed = self.changed or any(after.get(name) != content for name, content in before.items())
            if maps:
                reply["maps"] = np.load(message["maps"], allow_pickle=False) if reply["maps"] else None
        return reply

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
