"""How a check ends that does not pass."""

from __future__ import annotations

from unittest import SkipTest


class CheckFailed(AssertionError):
    """A property does not hold; the text says what was found."""


class Blocked(CheckFailed):
    """A property cannot be looked at, because the model does not even run."""


class NotApplicable(SkipTest):
    """The property does not exist for this model; the text says why. pytest counts it as skipped."""
