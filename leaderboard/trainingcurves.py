"""Learning curves of trained methods, as the cache keeps them beside their checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STORY = "training.json"


def of(
    cache: Path | None, options: dict[str, Any], shots: int, training_seed: int | None
) -> list[dict[str, Any]]:
    """Stories of the trainings with these options, K and training seed: ``auxiliary, losses, seconds``.

    There may be several: on other auxiliary sets, or by earlier versions of the code.
    """
    if cache is None or training_seed is None:
        return []
    found = []
    for path in sorted((cache / "trainings").glob(f"*/{STORY}")):
        try:
            story = json.loads(path.read_text())
            same = (story["options"], story["shots"], story["training_seed"]) == (
                options,
                shots,
                training_seed,
            )
            if same and all(isinstance(loss, float) for loss in story["losses"]) and story["losses"]:
                found.append({"id": path.parent.name, **story})
        except (OSError, ValueError, KeyError, TypeError):
            continue  # being written, or not ours
    return found


def smooth(losses: list[float], steps: int = 20) -> list[float]:
    """Mean of each loss and the ones before it, at most ``steps``.

    >>> smooth([1.0, 3.0, 5.0], steps=2)
    [1.0, 2.0, 4.0]
    """
    return [
        sum(window) / len(window)
        for window in (losses[max(0, i + 1 - steps) : i + 1] for i in range(len(losses)))
    ]
