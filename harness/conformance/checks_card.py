"""Checks of the card and its options: what is read before any image is."""

from __future__ import annotations

import pickle
from typing import Any

from pydantic import ValidationError

from gad.harness import gridoptions
from gad.harness.conformance.failures import CheckFailed
from gad.harness.conformance.subject import Subject
from gad.harness.errors import did_you_mean
from gad.harness.gridproblems import Problems
from gad.harness.gridtree import Entries, Leaf


def check_card(subject: Subject) -> None:
    """Importing the card imports nothing heavy: every plan and every list imports all cards."""
    heavy = subject.tell({"do": "card"}, "card")["heavy"]
    subject.end("card")
    if heavy:
        raise CheckFailed(
            f"importing {subject.model.reference} imports {', '.join(heavy)}: import them in the adapter's module"
        )


def check_pickle(subject: Subject) -> None:
    """The card can be sent to a worker process, and its adapter is found there by name."""
    with subject.around():
        try:
            again = pickle.loads(pickle.dumps(subject.info))  # noqa: S301 (our own bytes)
        except Exception as error:
            raise CheckFailed(
                f"the card cannot be pickled ({type(error).__name__}: {error}): "
                "define its functions and classes by name, at the top of a module"
            ) from error
    if again != subject.info:
        raise CheckFailed("the card is another one after pickling")


def check_options(subject: Subject) -> None:
    """Defaults hold and survive JSON; an unknown option is an error that names the closest one."""
    kind = subject.info.options
    defaults = subject.options
    try:
        stored = defaults.model_dump(mode="json", warnings="error")
        again = kind.model_validate_json(kind.model_validate(stored).model_dump_json())
    except (ValidationError, ValueError, TypeError) as error:
        raise CheckFailed(f"its options do not survive being stored as JSON: {error}") from error
    if again != defaults:
        raise CheckFailed(f"its options are {defaults} before and {again} after being stored as JSON")
    for name in kind.model_fields:
        if f"{name}x" not in kind.model_fields:
            _unknown_is_refused(kind, f"{name}x")
    _unknown_is_refused(kind, "no_such_option")


def _unknown_is_refused(kind: Any, name: str) -> None:
    """Asked of the class itself (as Python code would) and of the reader of grid files."""
    known = list(kind.model_fields)
    problems = Problems("grid")
    gridoptions.check(kind, Entries(1, {name: Leaf(1, 1, "1")}), "options", problems, noun="option")
    said = str(problems.error())
    try:
        kind.model_validate({name: 1})
        raise CheckFailed(
            f"it accepts the unknown option {name!r}: its options need extra='forbid' (subclass Frozen)"
        )
    except ValidationError as error:
        if not any(detail["type"] == "extra_forbidden" for detail in error.errors()):
            raise CheckFailed(f"it accepts the unknown option {name!r}") from error
    if did_you_mean(name, known) not in said:
        raise CheckFailed(f"the unknown option {name!r} gets no suggestion: {said!r}")
