"""Checks of the scores themselves: what they may depend on, and which way they point."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gad.harness import metrics
from gad.harness.conformance.failures import Blocked, CheckFailed, NotApplicable
from gad.harness.conformance.planted import TESTED
from gad.harness.conformance.processes import FRESH
from gad.harness.conformance.subject import Subject

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 1e-5  # of scores up to 1 absolute, of larger ones relative: the order of a sum may move so much


def check_runs(subject: Subject) -> None:
    """A part is scored: one number a query, within the limits of time and memory."""
    subject.first_scores()


def check_finite_scores(subject: Subject) -> None:
    """No score is NaN or infinite."""
    for category in (*TESTED, "odd"):
        case = subject.planted(category)
        found = subject.base if category == TESTED[0] else subject.scores(case)
        bad = np.flatnonzero(~np.isfinite(found))
        if len(bad):
            raise CheckFailed(f"the score of {case.queries[bad[0]].id} is {found[bad[0]]}")


def check_determinism(subject: Subject) -> None:
    """The same part has the same scores, bit for bit, in the same process and in another one."""
    base, case = subject.base, subject.planted(TESTED[0])
    again = subject.scores(case)
    if not same(base, again):
        raise CheckFailed(
            f"the same part scored again has other scores{apart(base, again)}: is all of it seeded?"
        )
    other = subject.scores(case, child=FRESH)
    if not same(base, other):
        subject.end(FRESH)  # what it scored before may be to blame: that is check_categories_apart's
        other = subject.scores(case, child=FRESH)
        if not same(base, other):
            raise CheckFailed(
                f"the same part in another process has other scores{apart(base, other)}: is all of it seeded?"
            )


def check_batch_size(subject: Subject) -> None:
    """A score does not depend on how many queries are in a batch."""
    _not_transductive(subject)
    base = subject.base
    for size in (1, 5, len(base)):
        found = subject.scores(subject.planted(TESTED[0], batch_size=size))
        _close(base, found, f"batches of {size} give other scores than batches of {subject.info.batch_size}")


def check_query_order(subject: Subject) -> None:
    """A score does not depend on the order of the queries."""
    base, case = subject.base, subject.planted(TESTED[0])
    order = np.random.default_rng(0).permutation(len(base))
    shuffled = replace(case, queries=tuple(case.queries[row] for row in order))
    _close(base[order], subject.scores(shuffled), "in another order, the queries have other scores")


def check_other_queries(subject: Subject) -> None:
    """A score does not depend on which other images are tested."""
    _not_transductive(subject)
    base, case = subject.base, subject.planted(TESTED[0])
    for row in (0, len(base) - 1):
        others = subject.field["copper"].queries[: len(base) - 1]
        among = replace(case, queries=(*others, case.queries[row]))
        _close(
            base[row : row + 1], subject.scores(among)[-1:], "among other images, a query has another score"
        )
        alone = replace(case, queries=(case.queries[row],))
        _close(base[row : row + 1], subject.scores(alone), "alone, a query has another score")


def check_direction(subject: Subject) -> None:
    """Planted defects, a sixth of the image in a glaring colour, score higher than normal images."""
    values = []
    for category in TESTED:
        found = subject.base if category == TESTED[0] else subject.scores(subject.planted(category))
        if not np.isfinite(found).all():
            raise Blocked("scores are not finite: see check_finite_scores")
        values.append(metrics.auroc(subject.field[category].labels, found) or 0.0)
    if np.mean(values) <= 0.5:
        shown = ", ".join(f"{value:.2f}" for value in values)
        raise CheckFailed(
            f"planted defects do not score higher than normal images (AUROC {shown}): higher must be more anomalous"
        )


def _not_transductive(subject: Subject) -> None:
    if subject.info.transductive:
        raise NotApplicable("the card says transductive: a score may depend on the other queries")


def same(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Whether scores are the same bits."""
    return np.array_equal(first, second, equal_nan=True)


def close(first: NDArray[np.floating], second: NDArray[np.floating]) -> bool:
    """Whether values agree to ``TOLERANCE``; those that are NaN or infinite are other checks' business."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(first - second) > TOLERANCE * np.maximum(1, np.abs(first))
    return first.shape == second.shape and not bool(apart.any())


def _close(first: NDArray[np.float64], second: NDArray[np.float64], said: str) -> None:
    if not close(first, second):
        raise CheckFailed(f"{said}{apart(first, second)}")


def apart(first: NDArray[np.float64], second: NDArray[np.float64]) -> str:
    """The two scores that differ most, as text."""
    row = int(np.nanargmax(np.abs(first - second))) if np.isfinite(first - second).any() else 0
    return f" ({first[row]:.9g} and {second[row]:.9g})"
