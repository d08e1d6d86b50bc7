"""What a dataset's builder hands back."""

from __future__ import annotations

from pathlib import Path

from gad.harness.nouns import Frozen, Sample


class Built(Frozen):
    """``root`` is where sample paths start (``None``: the builder's own ``made`` folder).

    ``texts`` maps each category to its class text. ``warnings`` name files and say what was done.
    """

    samples: tuple[Sample, ...]
    root: Path | None
    texts: dict[str, str]
    warnings: tuple[str, ...] = ()
