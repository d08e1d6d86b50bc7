"""What each difference of InCTRL's released training is worth: the table of docs/decisions/0006.

    python benchmarks/as_released.py --data DIR --cache DIR --out FILE [--seconds N] [TARGET ...]

Each option alone and all at once, on the bundled `tiny`, K = 4, prompt seed 0, three training seeds. The
targets (default: all four) and what InCTRL is trained on for them have to be prepared. FILE keeps what is
done, so that a run that was stopped (or had only N seconds) goes on; it is started anew for other weights or
code. Ends with the table of what FILE holds: AUROC, mean ± std over the training seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gad.datasets.prepare import by_name
from gad.harness import manifest, prompts, registry
from gad.harness.adapter import Auxiliary, Context, Features
from gad.harness.executor import child
from gad.harness.executor.encode import encode, open_store, torch_threads
from gad.harness.executor.inputs import Encodings, FeatureInputs
from gad.harness.executor.texts import text_embeddings
from gad.harness.features.shards import Stream
from gad.harness.metrics import auroc
from gad.harness.registry import source_digest
from gad.harness.units import EncodeUnit, PlannedPart, ScoreUnit, for_training
from gad.models.backbones.describe import resolve
from gad.models.backbones.weights import TINY
from gad.models.inctrl.adapter import InCTRL, as_arrays, recipe_of, table_of
from gad.models.inctrl.info import Options, inputs
from gad.models.inctrl.training import train

TARGETS = {
    "headct": "brainmri",
    "brainmri": "headct",
    "textures": "textures-auxiliary",
    "mnist-one-vs-all": "textures-auxiliary",
}
VARIANTS: dict[str, dict[str, Any]] = {
    "none": {},
    "mixed_reshape": {"mixed_reshape": True},
    "double_sigmoid": {"double_sigmoid": True},
    "own_prompt": {"own_prompt": True},
    "skip_upper_jpg": {"skip_upper_jpg": True},
    "batch: 16": {"batch": 16},
    "as_released": {"as_released": True},
}
SHOTS, TEST_IMAGES, TRAINING_SEEDS = 4, 200, (10, 11, 12)
WANTED = resolve(inputs(Options(backbone="tiny")))


class Target:
    """The test images of a dataset (at most TEST_IMAGES a category) beside its prompts, as features."""

    def __init__(self, name: str, data: Path, cache: Path, folder: Path) -> None:
        prepared = by_name(name, data)
        self.parts: list[tuple[Features, Features, np.ndarray]] = []
        for category in prepared.categories:
            samples = manifest.read_samples(prepared, category=category.category)
            normals = [s for s in samples if s.split == "train" and s.label == 0]
            shown = prompts.draw(prepared.name, category.category, 0, normals, SHOTS).samples
            tests = [s for s in samples if s.split == "test"]
            asked = tuple(prompts.limit_tests(prepared.name, category.category, tests, TEST_IMAGES))
            key = encoded(prepared, (*shown, *asked), (category.text,), WANTED, cache)
            common = {"input": WANTED, "prompts": shown}
            part = PlannedPart(part_id="", model="inctrl", options="{}", method_key="", shots=SHOTS, **common)
            unit = ScoreUnit(
                **{"unit_id": "", "dataset": prepared.name, "category": category.category},
                **{"text": category.text, "seed": 0, "parts": (part,), "tests": asked, "chunks": ()},
                **common,
            )
            place = folder / f"{name}-{category.category}"
            place.mkdir()
            message = FeatureInputs(place, unit, Encodings(open_store(cache), key)).message(part)
            labels = np.array([s.label for s in asked])
            self.parts.append((*child.features_in({**message, "shots": SHOTS}), labels))

    def auroc(self, arrays: dict[str, Any], options: Options) -> float:
        """Mean over the categories."""
        found = []
        for shown, queries, labels in self.parts:
            adapter = InCTRL(options, Context("", "", seed=0))
            adapter.load(arrays)
            adapter.prepare(shown)
            found.append(auroc(labels, np.asarray(adapter.score(queries).scores)))
        return statistics.fmean(value for value in found if value is not None)


def encoded(prepared: Any, samples: Any, names: tuple[str, ...], wanted: Any, cache: Path) -> str:
    """Put samples' features into the store; its key for the encoder."""
    distinct = tuple({s.digest: s for s in samples}.values())
    unit = EncodeUnit(
        **{"unit_id": "", "dataset": prepared.name, "root": str(prepared.root_path)},
        input=wanted,
        samples=distinct,
        names=names,
    )
    done = encode(unit, cache, 1)
    if done.errors:
        raise SystemExit(f"{prepared.name}: {next(iter(done.errors.values()))}")
    return done.key


def auxiliary(name: str, data: Path, cache: Path) -> Auxiliary:
    """What a training on this dataset is given."""
    prepared, wanted = by_name(name, data), for_training(WANTED)
    samples = manifest.read_samples(prepared)
    texts = [category.text for category in prepared.categories]
    names = [category.category for category in prepared.categories]
    key = encoded(prepared, samples, tuple(texts), wanted, cache)
    store, digests = open_store(cache), [s.digest for s in samples]
    tokens = {n: store.read(Stream(encoder=key, name=f"layer-{n:02d}"), digests) for n in wanted.layers}
    return Auxiliary(
        features=Features(store.read(Stream(encoder=key, name="class"), digests), tokens),
        ids=np.array([s.id for s in samples]),
        splits=np.array([s.split == "test" for s in samples], dtype=np.int8),
        labels=np.array([s.label for s in samples], dtype=np.int8),
        categories=np.array([names.index(s.category) for s in samples]),
        names=tuple(names),
        texts=np.stack([text_embeddings(store, key, text) for text in texts]),
        shots=SHOTS,
    )


def trainings(given: Auxiliary) -> Iterator[tuple[str, int, Any]]:
    """Every variant and training seed, with what trains it. Tables are shared, and so are their distances."""
    whole, shorter = (table_of(given, Options(skip_upper_jpg=skip)) for skip in (False, True))
    tables = {False: whole, True: shorter if len(shorter.labels) < len(whole.labels) else whole}
    for name, fields in VARIANTS.items():
        options = Options(backbone="tiny", **fields)
        if name == "skip_upper_jpg" and tables[True] is whole:
            continue  # nothing is skipped: it is "none"
        for seed in TRAINING_SEEDS:

            def run(options: Options = options, seed: int = seed) -> tuple[dict[str, Any], Options]:
                table = tables[options.skip_upper_jpg]
                state = train(table, recipe_of(options, SHOTS, seed)).state
                return as_arrays(state, table.sizes), options

            yield name, seed, run


def show(done: dict[str, Any]) -> None:
    targets = [name for name in TARGETS if name in done["auroc"]]
    print(f"tiny {done['weights']}, K = {SHOTS}, AUROC, mean ± std of training seeds {TRAINING_SEEDS}")
    print("| |" + "|".join(f" {TARGETS[name]} -> {name} " for name in targets) + "|")
    print("|---" * (len(targets) + 1) + "|")
    for variant in VARIANTS:
        cells = []
        for name in targets:
            found = list(done["auroc"][name].get(variant, {}).values())
            spread = f" ± {statistics.stdev(found):.3f}" if len(found) > 1 else ""
            few = "" if len(found) == len(TRAINING_SEEDS) else f" (n = {len(found)})"
            lacking = " nothing is skipped " if variant == "skip_upper_jpg" else " - "
            cells.append(f" {statistics.fmean(found):.3f}{spread}{few} " if found else lacking)
        print(f"| {variant} |" + "|".join(cells) + "|")


def main() -> None:
    parser = argparse.ArgumentParser(description="What each difference of the released training is worth.")
    parser.add_argument("targets", nargs="*", help=f"some of {', '.join(TARGETS)}")
    for name in ("--data", "--cache", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    asked = parser.parse_args()
    torch_threads(1)
    end = time.monotonic() + asked.seconds
    code = source_digest(registry.load().find("inctrl"))
    new = {"weights": _digest(TINY / "tiny.safetensors"), "code": code, "auroc": {}}
    done = json.loads(asked.out.read_text()) if asked.out.exists() else new
    if any(done[name] != new[name] for name in ("weights", "code")):
        done = new
    targets = asked.targets or list(TARGETS)
    with tempfile.TemporaryDirectory() as folder:
        for source in dict.fromkeys(TARGETS[name] for name in targets):
            own = {
                n: Target(n, asked.data, asked.cache, Path(folder)) for n in targets if TARGETS[n] == source
            }
            for variant, seed, run in trainings(auxiliary(source, asked.data, asked.cache)):
                tables = [done["auroc"].setdefault(n, {}).setdefault(variant, {}) for n in own]
                if all(str(seed) in table for table in tables) or time.monotonic() > end:
                    continue
                trained = run()
                for table, target in zip(tables, own.values(), strict=True):
                    table[str(seed)] = target.auroc(*trained)
                asked.out.write_text(json.dumps(done, indent=1))
                print(source, variant, seed, [table[str(seed)] for table in tables], flush=True)
    show(done)


def _digest(path: Path) -> str:
    return manifest.file_digest(path)[:12]


if __name__ == "__main__":
    main()
