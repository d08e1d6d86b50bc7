"""The fast path of InCTRL and its literal reference on the same checkpoint, images and prompts.

Used by the test suite on small encoders and by benchmarks/parity.py on ViT-B-16-plus-240. Weights are
generated, in the layout of the authors' files, and go through the path that released ones take.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from gad.harness.adapter import Context
from gad.harness.cli.chosen import chosen_model
from gad.harness.executor import child, given, single
from gad.harness.executor.encode import encode, open_store
from gad.harness.executor.inputs import Encodings, FeatureInputs
from gad.harness.nouns import Sample
from gad.harness.units import EncodeUnit, PlannedPart, ScoreUnit
from gad.models.inctrl import checkpoint as layout
from gad.models.inctrl.network import InCTRLHeads

SCORES = ("score", "image_score", "patch_score", "text_score")


def write_checkpoint(path: Path, encoder: dict[str, torch.Tensor], backbone: str, seed: int = 0) -> None:
    """A checkpoint in the authors' layout whose heads are drawn: every weight and statistic of them counts."""
    patches, dim = layout.sizes_of(layout.clip_shapes(backbone))
    heads, draw = InCTRLHeads(patches, dim), torch.Generator().manual_seed(seed)
    for value in heads.state_dict().values():
        if value.dim() == 2:
            value.normal_(0, 1.5 / value.shape[1] ** 0.5, generator=draw)
        elif value.is_floating_point():
            value.uniform_(0.3, 1.3, generator=draw)
    layout.write(path, encoder, heads.state_dict(), backbone)


class Fast:
    """What the harness does with a checkpoint that carries its encoder (or has that of ``backbone``)."""

    def __init__(self, checkpoint: Path, backbone: str, cache: Path, threads: int) -> None:
        model, self.options, self.wanted = chosen_model("inctrl", [], backbone)
        self.info, self.cache, self.threads = model.info, cache, threads
        self.arrays, _ = given.read(checkpoint, self.info, self.options, self.wanted, threads)

    def alone(
        self, images: Sequence[Path], prompts: Sequence[Path], name: str
    ) -> Iterator[tuple[Path, dict[str, float]]]:
        """As `harness score`: the score and its parts, nothing kept."""
        asked = single.Single(
            info=self.info,
            options=self.options,
            wanted=self.wanted,
            prompts=tuple(prompts),
            text=name,
            arrays=self.arrays,
            cache=self.cache,
            threads=self.threads,
        )
        for answer in single.score(asked, images):
            assert answer.score is not None, answer.error
            yield answer.path, {"score": answer.score, **answer.parts}

    def cached(
        self, images: Sequence[Path], prompts: Sequence[Path], name: str, folder: Path
    ) -> dict[int, list[dict[str, float]]]:
        """As a grid: encoded in batches into the store, distances in tiles for every K at once, scored in
        batches. By K the scores of the images."""
        shown, asked = (tuple(map(_sample, places)) for places in (prompts, images))
        unit = EncodeUnit(
            unit_id="", dataset="", root="/", input=self.wanted, samples=(*shown, *asked), names=(name,)
        )
        done = encode(unit, self.cache, self.threads)
        parts = tuple(self._part(shown[:shots]) for shots in range(1, len(shown) + 1))
        work = ScoreUnit(
            unit_id="",
            dataset="",
            category="parity",
            text=name,
            seed=0,
            input=self.wanted,
            parts=parts,
            prompts=shown,
            tests=asked,
            chunks=(),
        )
        inputs = FeatureInputs(folder, work, Encodings(open_store(self.cache), done.key, done.errors))
        return {part.shots: list(self._scores(inputs, part, name)) for part in parts}

    def _part(self, prompts: tuple[Sample, ...]) -> PlannedPart:
        return PlannedPart(
            part_id="",
            model="inctrl",
            options="{}",
            method_key="",
            input=self.wanted,
            shots=len(prompts),
            prompts=prompts,
        )

    def _scores(self, inputs: FeatureInputs, part: PlannedPart, name: str) -> Iterator[dict[str, float]]:
        prompts, queries = child.features_in({**inputs.message(part), "shots": part.shots})
        adapter: Any = child.load(self.info.adapter)(self.options, Context("parity", name, seed=0))
        adapter.load(self.arrays)
        adapter.prepare(prompts)
        for first, last in child.batches(len(queries), self.info.batch_size):
            scored = adapter.score(queries.rows(first, last))
            for row, score in enumerate(scored.scores):
                yield {"score": score, **{n: values[row] for n, values in scored.parts.items()}}


def _sample(path: Path) -> Sample:
    return Sample(
        id=path.name,
        path=path.as_posix(),
        label=0,
        split="test",
        category="parity",
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def largest_difference(
    fast: Fast,
    reference: Any,
    images: Sequence[Path],
    prompts: Sequence[Path],
    names: Sequence[str],
    folder: Path,
    alone: Sequence[int],
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Every image with the first K of the prompts for each K, a class name a K in turn; each from stored
    features, and for the K in ``alone`` also as `harness score` does it.

    Returns the largest absolute difference by kind of score, and the reference's scores by kind.
    """
    worst, seen = dict.fromkeys(SCORES, 0.0), {kind: [] for kind in SCORES}
    stored = {}
    for name in names:
        (folder / name).mkdir(parents=True)
        stored[name] = fast.cached(images, prompts, name, folder / name)
    for shots in range(1, len(prompts) + 1):
        name = names[(shots - 1) % len(names)]
        singly = [found for _, found in fast.alone(images, prompts[:shots], name)] if shots in alone else []
        for row, path in enumerate(images):
            expected = reference.score(path, prompts[:shots], name)
            for found in (stored[name][shots][row], *singly[row : row + 1]):
                for kind in SCORES:
                    worst[kind] = max(worst[kind], abs(float(found[kind]) - expected[kind]))
            for kind in SCORES:
                seen[kind].append(expected[kind])
    return worst, seen
