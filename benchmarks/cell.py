"""One InCTRL cell at K = 2 on ViT-B-16-plus-240 beside one plain pass of the encoder over the same images.

The weights are generated. What the harness does (decode, encode, store, distances, heads) against decoding
and the encoder's own calls alone, in fp32 with as many threads as there are cores. Where the method has text
prompts both sides embed them (a grid does it once a class name). Loading weights counts in neither.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import generated
import numpy as np
import torch
from rows import Row, best

ARCHITECTURE, TESTS, SHOTS = "ViT-B-16-plus-240", 50, 2


def run() -> list[Row]:
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        root = generated.folder(place / "things", TESTS, SHOTS)
        backbone = generated.weights(ARCHITECTURE, place / "weights.pt")
        unit, methods = work(root, backbone, place / "data")
        from gad.harness.executor.encode import encoder_of

        encoder = encoder_of(unit.input, threads)
        rows = []
        for model in methods:
            plain = best(lambda model=model: plain_pass(encoder, unit, texts=model == "inctrl"), 2)
            caches = iter(place / f"cache-{model}-{number}" for number in range(9))
            seconds = best(lambda model=model, caches=caches: cell(unit, model, next(caches), threads), 2)
            rows.append(
                Row(
                    f"{model}, K = {SHOTS}, {TESTS} images, {ARCHITECTURE}",
                    seconds,
                    "one plain encoder pass",
                    plain,
                )
            )
    return rows


def work(root: Path, backbone: str, data: Path, shots: int = SHOTS) -> tuple[Any, list[str]]:
    """A unit with the category's prompts and tests, and the models to try on it."""
    from gad.datasets.prepare import prepare
    from gad.harness import manifest, prompts
    from gad.harness.nouns import FeatureInput
    from gad.harness.units import EncodeUnit
    from gad.models.backbones.describe import resolve

    prepared = prepare(str(root), None, data)
    samples = manifest.read_samples(prepared)
    drawn = prompts.draw(prepared.name, "thing", 0, [s for s in samples if s.split == "train"], shots).samples
    tests = tuple(s for s in samples if s.split == "test")
    unit = EncodeUnit(
        unit_id="cell",
        dataset=prepared.name,
        root=str(prepared.root_path),
        input=resolve(FeatureInput(backbone=backbone)),
        samples=(*drawn, *tests),
        names=("thing",),
    )
    return unit, ["inctrl", "patchcore"]


def plain_pass(encoder: Any, unit: Any, texts: bool) -> None:
    """Decode, and the encoder's own forward pass in batches of 32; and over the class's sentences."""
    from gad.harness.executor.decode import pixels_of
    from gad.models.clip_text import prompts_for

    pixels, _ = pixels_of(unit.samples, Path(unit.root), encoder.input)
    with torch.inference_mode():
        for start in range(0, len(pixels), 32):
            encoder.model.encode_image(encoder._normalised(pixels[start : start + 32]))
        for lines in prompts_for(unit.names[0]) if texts else ():
            encoder.model.encode_text(encoder.tokenizer(lines))


def cell(unit: Any, model: str, cache: Path, threads: int, shots: int = SHOTS) -> None:
    """All that is done for one part of the model, from image files to scores, with this cache."""
    from gad.harness import registry
    from gad.harness.adapter import Context
    from gad.harness.executor import child
    from gad.harness.executor.encode import encode, open_store
    from gad.harness.executor.inputs import Encodings, FeatureInputs
    from gad.harness.units import PlannedPart, ScoreUnit
    from gad.models.backbones.describe import resolve
    from gad.models.inctrl.adapter import SIZES
    from gad.models.inctrl.network import InCTRLHeads

    info = registry.load().find(model).info
    options = info.options.model_validate({"backbone": unit.input.backbone})
    wanted = resolve(info.inputs(options))
    key = encode(unit.model_copy(update={"input": wanted}), cache, threads).key
    part = PlannedPart(
        part_id="p",
        model=model,
        options="{}",
        method_key="m",
        input=wanted,
        shots=shots,
        prompts=unit.samples[:shots],
    )
    scoring = ScoreUnit(
        unit_id="s",
        dataset="d",
        category="thing",
        text="thing",
        seed=0,
        input=wanted,
        parts=(part,),
        prompts=unit.samples[:shots],
        tests=unit.samples[shots:],
        chunks=(),
    )
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        inputs = FeatureInputs(Path(folder), scoring, Encodings(open_store(cache), key))
        prompts, queries = child.features_in({**inputs.message(part), "shots": shots})
        adapter = child.load(info.adapter)(options, Context(category="thing", text="thing", seed=0))
        if model == "inctrl":
            patches = next(iter(queries.nearest.values())).shape[1]
            heads = InCTRLHeads(patches, queries.class_tokens.shape[1])
            arrays = {name: value.numpy() for name, value in heads.state_dict().items()}
            adapter.load({**arrays, SIZES: np.array([patches, queries.class_tokens.shape[1], 0, 0])})
        adapter.prepare(prompts)
        for first, last in child.batches(len(queries), info.batch_size):
            adapter.score(queries.rows(first, last))
