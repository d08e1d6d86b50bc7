"""Distances to the nearest prompt patch for K = 2, 4, 8: running minima against one pass per K."""

from __future__ import annotations

import numpy as np
import torch
from rows import Row, best

from gad.harness.features.nearest import RunningNearest

QUERIES, PATCHES, WIDTH, SHOTS = 16, 225, 896, (2, 4, 8)


def run() -> list[Row]:
    generator = np.random.default_rng(0)
    queries = generator.standard_normal((QUERIES, PATCHES, WIDTH)).astype(np.float16)
    prompts = generator.standard_normal((max(SHOTS), PATCHES, WIDTH)).astype(np.float16)

    def ours() -> None:
        running = RunningNearest(queries)
        for number, prompt in enumerate(prompts, start=1):
            running.add(prompt)
            if number in SHOTS:
                _ = running.distance

    def naive() -> None:
        for shots in SHOTS:
            bank = torch.from_numpy(prompts[:shots]).flatten(0, 1).float()
            bank = bank / bank.norm(dim=1, keepdim=True)
            for query in torch.from_numpy(queries).float():
                unit = query / query.norm(dim=1, keepdim=True)
                _ = (0.5 * (1 - (unit @ bank.T))).min(dim=1)

    against = f"a full pass for each of K = {', '.join(map(str, SHOTS))}"
    return [Row(f"nearest prompt patches, {QUERIES} images x 225 patches", best(ours), against, best(naive))]
