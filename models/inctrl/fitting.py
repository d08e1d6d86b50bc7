"""Does a state dict fit? Every key is accounted for: missing, unknown and wrongly shaped ones are listed."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from gad.harness.errors import ModelError

Shapes = Mapping[str, tuple[int, ...]]

SHOWN = 50  # keys of one kind in a message


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


def require_fit(state: Mapping[str, Tensor], wanted: Shapes, what: str) -> None:
    """Raise a ModelError that begins with ``what`` and lists every key that does not fit."""
    wrong = [
        f"{name} {state[name].dtype} {tuple(state[name].shape)}, expected {shape}"
        for name, shape in wanted.items()
        if name in state and not (tuple(state[name].shape) == shape and _right_kind(name, state[name]))
    ]
    problems = {
        "missing": [name for name in wanted if name not in state],
        "not known": [name for name in state if name not in wanted],
        "of another shape or kind": wrong,
    }
    if found := [f"{len(keys)} {word}: {listed(keys)}" for word, keys in problems.items() if keys]:
        raise ModelError("\n".join([what, *found]), fix="Name the backbone it was made for, or another file.")


def _right_kind(name: str, value: Tensor) -> bool:
    """Numbers are floating point, but for BatchNorm's count of batches."""
    return value.is_floating_point() != name.endswith("num_batches_tracked")


def listed(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more
