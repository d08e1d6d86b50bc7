"""Checks of what happens around a part: the order of calls, the device, and what stays behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gad.harness.conformance import trained
from gad.harness.conformance.checks_scores import apart, same
from gad.harness.conformance.failures import Blocked, CheckFailed, NotApplicable
from gad.harness.conformance.planted import PROMPTS, TESTED
from gad.harness.conformance.processes import FRESH
from gad.harness.conformance.subject import SHOTS, Subject
from gad.harness.nouns import ImageInput, Input

LEAK_BYTES = 8192  # a part; less is what caches of names and the like take


def check_call_order(subject: Subject) -> None:
    """``score`` before ``prepare`` is an error that names ``prepare`` (``prepare`` before ``load``: ``load``)."""
    subject.base  # noqa: B018
    called = {"prepare": "score", "load": "prepare"}
    for right, said in subject.ask(subject.planted(TESTED[0]), do="early")["said"].items():
        if said is None:
            raise CheckFailed(f"{called[right]} before {right} is no error")
        if right not in said:
            raise CheckFailed(f"{called[right]} before {right} says {said!r}, which does not name {right}")


def check_categories_apart(subject: Subject) -> None:
    """A part has the same scores whatever its process scored before: another category, or this one with other
    prompts, as parts of other seeds, K and checkpoints are."""
    subject.base  # noqa: B018
    first, second = (subject.planted(name) for name in TESTED)
    shots = len(second.prompts)
    others = replace(second, prompts=subject.field[TESTED[1]].prompts[-shots:])
    more = subject.planted(TESTED[1], shots=PROMPTS)
    subject.end(FRESH)
    # The other way round in each process, so that what stays of a first part is not the same in both.
    alone = [subject.scores(case, child=FRESH) for case in (more, others)][::-1]
    alone = [subject.scores(second, child=FRESH), *alone]
    subject.scores(first)
    after = [subject.scores(case) for case in (second, others, more)]
    for case, one, other in zip((second, others, more), alone, after, strict=True):
        if same(one, other):
            continue
        subject.end(FRESH)
        mine = subject.scores(case, child=FRESH)
        subject.end(FRESH)
        if not same(mine, subject.scores(case, child=FRESH)):
            raise Blocked("two new processes give other scores: see check_determinism")
        raise CheckFailed(
            f"{TESTED[1]} has other scores after other parts (of {TESTED[0]}, or with other prompts) were scored "
            f"in the same process{apart(one, other)}: keep nothing outside the instance"
        )


def check_device(subject: Subject) -> None:
    """It computes on the CPU unless its context names another device, even where torch sees a GPU."""
    subject.base  # noqa: B018
    subject.ask(subject.planted(TESTED[0]), do="elsewhere")


def check_memory(subject: Subject) -> None:
    """What a part took is given back when it is over."""
    subject.base  # noqa: B018
    case = subject.planted(TESTED[0], shots=_enough(subject.wanted))
    held = [
        subject.ask(replace(case, category=f"category-{number}"), do="kept")["held"] for number in range(6)
    ]
    growth = np.diff(held)[1:]  # the first parts fill caches that stay as they are
    if growth.min() > LEAK_BYTES:
        raise CheckFailed(f"every part leaves {int(growth.min()) / 1024:.0f} KB behind in its process")


def _enough(wanted: Input) -> int:
    """So many prompts that who keeps their pixels alone is noticed."""
    if isinstance(wanted, ImageInput):
        return min(PROMPTS, max(SHOTS, 1 + LEAK_BYTES // (3 * wanted.size**2)))
    return PROMPTS


def check_training(subject: Subject) -> None:
    """Training twice with the same seed gives the same bits."""
    if not subject.info.trained:
        raise NotApplicable("the card says that it is not trained")
    shots = len(subject.planted(TESTED[0]).prompts)
    once = trained.arrays(subject, subject.training(shots))
    again = trained.arrays(subject, trained.train(subject, shots, again="-again"))
    if once.read_bytes() != again.read_bytes():
        raise CheckFailed("training again with the same seed gives another checkpoint")
