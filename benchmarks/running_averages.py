"""How far InCTRL's scores hang on BatchNorm's running averages: the last table of docs/decisions/0006.

    python benchmarks/running_averages.py --data DIR --cache DIR --out FILE [--seconds N]

HeadCT -> BrainMRI on the bundled `tiny`, K = 4, prompt seed 0, ten training seeds, batch 48 and 16. Each training
is scored as it ends, and once more with averages taken anew over 60 batches while the weights are held
still. FILE keeps what is done, as in as_released.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from as_released import SHOTS, Target, auxiliary

from gad.harness.executor.encode import torch_threads
from gad.models.inctrl.adapter import as_arrays, recipe_of, table_of
from gad.models.inctrl.draws import Draws
from gad.models.inctrl.info import Options
from gad.models.inctrl.recipe import AuxiliaryTable, Recipe
from gad.models.inctrl.training import batch_loss, copied, fresh_network, train

SOURCE, TARGET = "headct", "brainmri"
SEEDS, BATCHES, TAKEN = range(8, 18), (48, 16), 60


def trained(table: AuxiliaryTable, recipe: Recipe) -> dict[str, Any]:
    """State dicts ``as trained`` and with averages taken ``anew``, and the auxiliary ``loss`` of the first
    in training mode and in scoring mode."""
    patches, dim, layers, width = table.sizes
    state = train(table, recipe).state

    def network() -> Any:
        made = fresh_network(patches, dim, recipe, layers=layers, width=width)
        made.load_state_dict(state)
        return made

    loss = [mean_loss(network().train(training), table, recipe, batches=20) for training in (True, False)]
    anew = network().train()
    for module in anew.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.reset_running_stats()
            module.momentum = None  # every batch counts alike
    mean_loss(anew, table, recipe, TAKEN)
    return {"as trained": state, "anew": copied(anew), "loss": loss}


@torch.no_grad()
def mean_loss(network: Any, table: AuxiliaryTable, recipe: Recipe, batches: int) -> float:
    """Over batches of another draw than the training's. In training mode averages move along."""
    draws = Draws(table, replace(recipe, training_seed=recipe.training_seed + 1000))
    return statistics.fmean(batch_loss(network, table, *draws.batch(), recipe).item() for _ in range(batches))


def show(done: dict[str, dict[str, Any]]) -> None:
    for batch, found in done.items():
        print(f"batch {batch}, {len(found)} training seeds")
        for seed, (loss, before, after) in found.items():
            both = f"{loss[0]:.2f} in training mode, {loss[1]:.2f} in scoring mode"
            print(
                f"  {seed}: auxiliary loss {both}; AUROC {before:.3f}, {after:.3f} with averages taken anew"
            )
        for place, name in ((1, "as trained"), (2, "averages taken anew")):
            values = [row[place] for row in found.values()]
            if len(values) > 1:
                print(
                    f"  {name}: {np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}, lowest {min(values):.3f}"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description="What BatchNorm's running averages are worth.")
    for name in ("--data", "--cache", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    asked = parser.parse_args()
    torch_threads(1)
    end = time.monotonic() + asked.seconds
    done = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        target = Target(TARGET, asked.data, asked.cache, Path(folder))
        given = auxiliary(SOURCE, asked.data, asked.cache)
        for batch in BATCHES:
            options, found = Options(backbone="tiny", batch=batch), done.setdefault(str(batch), {})
            table = table_of(given, options)
            for seed in SEEDS:
                if str(seed) in found or time.monotonic() > end:
                    continue
                made = trained(table, recipe_of(options, SHOTS, seed))
                scores = [
                    target.auroc(as_arrays(made[n], table.sizes), options) for n in ("as trained", "anew")
                ]
                found[str(seed)] = [made["loss"], *scores]
                asked.out.write_text(json.dumps(done, indent=1))
    show(done)


if __name__ == "__main__":
    main()
