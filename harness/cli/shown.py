"""How rows of results are shown: what several tables have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def with_options(row: dict[str, Any], halved: Mapping[str, int] | None = None) -> dict[str, Any]:
    """The row with its options as a mapping instead of text.

    ``n_halved``: how many of a job's parts were scored with half the batch, where there are any.
    """
    found = (halved or {}).get(row.get("job_id", ""))
    marks = {"n_halved": found} if found else {}
    return {**row, "options": json.loads(row["options"]), "zero_shot": row["shots"] == 0, **marks}


def seeds(row: dict[str, Any]) -> str:
    """How many seeds are done, of how many if not all."""
    text = str(row["n_seeds"]) if row["complete"] else f"{row['n_seeds']} of {row['n_planned']}"
    return text + (f" ({row['n_failed']} failed)" if row["n_failed"] else "")


def varying_options(rows: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """For each (model, options): the options that tell it from the model's other rows, as text."""
    found: dict[tuple[str, str], str] = {}
    variants: dict[str, list[dict[str, Any]]] = {}
    for model, options in {(row["model"], row["options"]) for row in rows}:
        variants.setdefault(model, []).append(json.loads(options))
    for row in rows:
        own, others = json.loads(row["options"]), variants[row["model"]]
        differing = [k for k in own if any(other.get(k) != own[k] for other in others)]
        text = ", ".join(f"{k}={own[k]}" for k in differing)
        found[row["model"], row["options"]] = f" ({text})" if text else ""
    return found


def called(row: dict[str, Any], names: Mapping[tuple[str, str], str]) -> str:
    """A row's method as every table calls it: its model, the options that tell it apart (``names``, from
    :func:`varying_options`), and what has to be said of it wherever its numbers stand."""
    apart = " (transductive)" if row.get("transductive") else ""
    note = f" [{row['note']}]" if row.get("note") else ""
    return row["model"] + names[row["model"], row["options"]] + apart + note


def mean_and_std(mean: float | None, std: float | None) -> str:
    """As in `0.912 ± 0.004`; a dash for what is not there."""
    if mean is None:
        return "-"
    return f"{mean:.3f}" if std is None else f"{mean:.3f} ± {std:.3f}"
