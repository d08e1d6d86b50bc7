"""Two people who run the same grid into the same folder."""

from __future__ import annotations

import time
from random import Random

from chaos.stage import Stage


def twice(stage: Stage, random: Random) -> None:
    stage.start()
    time.sleep(random.uniform(0, 2))
    another(stage)


def another(stage: Stage) -> None:
    """One more, beside those that are going on."""
    stage.now()
    stage.start()
