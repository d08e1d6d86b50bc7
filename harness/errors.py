"""Every error the harness raises on purpose.

    HarnessError            exit code 1   something could not be done
    ├── DataError           exit code 1   a dataset, an image or a manifest is missing or wrong
    ├── ModelError          exit code 1   an adapter is missing, wrong, or was called in the wrong order
    ├── StoreError          exit code 1   the results folder or its database cannot be used
    └── UsageError          exit code 2   the command line is wrong
        └── GridError       exit code 2   a grid file is wrong; carries every problem found

A message says what was found and what was expected; ``fix`` says what to do about it.
The command line prints both without a traceback.
"""

from __future__ import annotations


class HarnessError(Exception):
    """Base class. ``str(error)`` is the message with the fix on a second line."""

    exit_code = 1

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n{self.fix}" if self.fix else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword arguments do not survive pickling between Ray's processes by themselves.
        return (_rebuild, (type(self), self.message, self.fix))


def _rebuild(kind: type[HarnessError], message: str, fix: str) -> HarnessError:
    return kind(message, fix=fix)


class DataError(HarnessError):
    """A dataset, an image or a manifest is missing or wrong."""


class ModelError(HarnessError):
    """An adapter is missing, wrong, or was called in the wrong order."""


class StoreError(HarnessError):
    """The results folder or its database cannot be used."""


class UsageError(HarnessError):
    """The command line is wrong."""

    exit_code = 2


class GridError(UsageError):
    """A grid file is wrong. ``problems`` holds one line for each thing that is wrong."""

    def __init__(self, message: str, *, fix: str = "", problems: tuple[str, ...] = ()) -> None:
        super().__init__(message, fix=fix)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(
            [self.message, *(f"  {problem}" for problem in self.problems), *filter(None, [self.fix])]
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_grid, (self.message, self.fix, self.problems))


def _rebuild_grid(message: str, fix: str, problems: tuple[str, ...]) -> GridError:
    return GridError(message, fix=fix, problems=problems)


def did_you_mean(word: str, known: list[str] | tuple[str, ...]) -> str:
    """``" Did you mean 'x'?"`` for the closest known word, or ``""`` when none is close."""
    import difflib

    close = difflib.get_close_matches(word.lower(), [k.lower() for k in known], n=1, cutoff=0.6)
    if not close:
        return ""
    match = next(k for k in known if k.lower() == close[0])
    return f" Did you mean {match!r}?"
