"""The conformance suite: every check, run by the command line or by pytest.

    import pytest
    from gad.harness.conformance.suite import conformance

    @pytest.mark.parametrize("check", conformance("my_model.info:INFO"), ids=str)
    def test_conformance(check):
        check()

The checks of one call share processes; they end with the interpreter.
"""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gad.harness.conformance import checks_card, checks_inputs, checks_maps, checks_process, checks_scores
from gad.harness.conformance.failures import Blocked, CheckFailed, NotApplicable
from gad.harness.conformance.subject import Subject
from gad.harness.executor.loaded import load
from gad.harness.nouns import Frozen
from gad.harness.registry import Model

CHECKS: tuple[Callable[[Subject], None], ...] = (
    checks_card.check_card,
    checks_card.check_pickle,
    checks_card.check_options,
    checks_scores.check_runs,
    checks_process.check_call_order,
    checks_inputs.check_inputs_unchanged,
    checks_scores.check_finite_scores,
    checks_scores.check_batch_size,
    checks_scores.check_query_order,
    checks_scores.check_other_queries,
    checks_scores.check_direction,
    checks_maps.check_maps,
    checks_inputs.check_shots,
    checks_inputs.check_odd_images,
    checks_process.check_categories_apart,
    checks_scores.check_determinism,
    checks_process.check_device,
    checks_process.check_memory,
    checks_process.check_training,
    checks_inputs.check_nothing_else_is_read,  # the last one: it looks back at all that was run
)


class Outcome(Frozen):
    """How one check ended. ``message`` says what was found, or why it was not looked at."""

    check: str
    status: Literal["passed", "failed", "skipped", "blocked"]
    message: str = ""
    seconds: float = 0.0


def run(subject: Subject) -> Iterator[Outcome]:
    """Every check in turn, as it ends."""
    for check in CHECKS:
        started = time.perf_counter()
        status: Literal["passed", "failed", "skipped", "blocked"] = "passed"
        message = ""
        try:
            check(subject)
        except NotApplicable as reason:
            status, message = "skipped", str(reason)
        except Blocked as reason:
            status, message = "blocked", str(reason)
        except CheckFailed as reason:
            status, message = "failed", str(reason)
        yield Outcome(
            check=check.__name__, status=status, message=message, seconds=time.perf_counter() - started
        )


@dataclass(frozen=True)
class Check:
    """One check of one model, to be called."""

    check: Callable[[Subject], None]
    subject: Subject

    def __call__(self) -> None:
        self.check(self.subject)

    def __str__(self) -> str:
        return self.check.__name__


def conformance(
    reference: str, *, options: Mapping[str, Any] | None = None, backbone: str = ""
) -> list[Check]:
    """The checks of the model whose card is at ``reference`` (``module:NAME``).

    Each raises CheckFailed, or NotApplicable where the property does not exist. Cheap: nothing runs before a
    check is called.
    """
    module = reference.partition(":")[0]
    model = Model(load(reference), reference, module.partition(".")[0])
    subject = Subject(model, options=options, backbone=backbone, home=_home(module))
    atexit.register(subject.close)
    return [Check(check, subject) for check in CHECKS]


def _home(module: str) -> str:
    """The folder that a module's top-level package was imported from: other processes import it there, too."""
    top = sys.modules[module.partition(".")[0]]
    file = getattr(top, "__file__", None)
    if module.startswith("gad.") or file is None:
        return ""
    place = Path(file)
    return str(place.parent.parent if hasattr(top, "__path__") else place.parent)
