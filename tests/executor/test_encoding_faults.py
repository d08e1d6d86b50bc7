"""An encoder for whose batch memory has no room: half of it once, marked, and never kept as if it were whole.
And features that were damaged in the store, in several streams at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import raws
import torch
from encoded import pictures

from gad.datasets.prepare import by_name
from gad.harness import plan, registry, work
from gad.harness.errors import ModelError
from gad.harness.executor import encode as encoding
from gad.harness.executor.attempts import CHILDREN
from gad.harness.executor.encoded import Chunks, Encoded
from gad.harness.executor.order import Order
from gad.harness.executor.passes import BATCH, Passes
from gad.harness.executor.score import score
from gad.harness.executor.submit import methods_of
from gad.harness.nouns import FeatureInput, Grid, ModelChoice
from gad.harness.planned import Source

WANTED = FeatureInput(backbone="tiny", layers=(1, 2), tokens=True)
ENCODER = encoding.encoder_of(WANTED, 1)


class Cramped:
    """The encoder on a device with room for so many images at once, when its ``turn`` comes."""

    def __init__(self, room: int, turn: int = 0) -> None:
        self.room, self.turn = room, turn

    def __getattr__(self, name: str) -> Any:
        return getattr(ENCODER, name)

    def images(self, pixels: np.ndarray, layers: Sequence[int], **named: Any) -> Any:
        self.turn -= 1
        if self.turn < 0 and len(pixels) > self.room:
            raise torch.OutOfMemoryError(f"no room for {len(pixels)} images\nand a story")
        return ENCODER.images(pixels, layers, **named)


def test_half_the_batch_once_and_no_more() -> None:
    pixels, names = pictures(BATCH + 5, ENCODER.image_size), ["class", "layer-01", "layer-02"]
    whole = Passes(ENCODER, WANTED).run(pixels, names)
    passes = Passes(Cramped(BATCH // 2, turn=1), WANTED, halves=True)  # there was room for the first batch
    found = passes.run(pixels, names)
    assert passes.halved == [*range(BATCH, BATCH + 5)]
    for name, rows in whole.items():
        assert np.array_equal(found[name][:BATCH], rows[:BATCH])
        assert found[name].dtype == rows.dtype
        assert found[name] == pytest.approx(rows, rel=1e-3, abs=1e-4)
    with pytest.raises(
        ModelError, match=r"encoding 32 images at once with tiny, and 16 .*: no room for 16 images\n"
    ):
        Passes(Cramped(BATCH // 4), WANTED, halves=True).run(pixels, names)
    with pytest.raises(ModelError, match=r"32 images at once with tiny: no room for 32 images\n"):
        Passes(Cramped(BATCH // 2), WANTED).run(pixels, names)


@pytest.fixture
def units(tmp_path: Path) -> tuple[work.Work, Order]:
    """Patchcore on four test images; InCTRL, trained on them."""
    raws.mvtec(tmp_path / "parts", "nut")
    prepared = by_name(str(tmp_path / "parts"), tmp_path / "data")
    known, source = registry.load(), Source(name=prepared.name, prepared=prepared)
    models = tuple(
        ModelChoice(name=name, options=known.find(name).info.options().model_dump(mode="json")).on("tiny")
        for name in ("patchcore", "inctrl")
    )
    grid = Grid(name="g", models=models, datasets=("parts",), shots=(2,), seeds=(0,), backbone="tiny",
                auxiliary={"default": "parts"})  # fmt: skip
    made = plan.make(grid, {"parts": source}, known, {}, auxiliary={"parts": source})
    order = Order(
        run_id="r",
        methods=methods_of(made, known),
        limits=grid.limits,
        threads=1,
        cache=str(tmp_path / "cache"),
    )
    return work.make(made, frozenset({"new"})), order


def test_parts_are_marked_and_nothing_is_kept(
    units: tuple[work.Work, Order], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made, order = units
    (unit,) = made.score
    monkeypatch.setattr(encoding, "encoder_of", lambda *_: Cramped(BATCH // 2))
    chunks: list[Any] = []
    for name in unit.chunks:
        chunk = made.encode[name]
        done = encoding.encode(chunk, Path(order.cache), 1, halves=True)
        assert set(done.halved) == {sample.digest for sample in chunk.samples}
        told = Encoded.model_construct(
            errors={}, seen=done.seen, encoder=done.key, parameters=done.parameters, halved=done.halved
        )
        chunks += [chunk, done.rows, told]
    assert not [*Path(order.cache).glob("features/*/class/*")]
    untrained = {name: Chunks(chunks, order).train(each) for name, each in made.train.items()}
    assert ["half as many" in error for error in untrained.values()] == [True]
    try:
        ended = score(unit, order, lambda folder: Chunks(chunks, order).inputs(folder, unit), untrained)
        records = {each.record.model: each.record for each in ended}
    finally:
        for child in CHILDREN.idle.values():
            child.close()
        CHILDREN.idle.clear()
    assert (records["patchcore"].status, records["patchcore"].halved_batch) == ("done", BATCH // 2)
    assert (records["inctrl"].error_type, records["inctrl"].halved_batch) == ("TrainingFailed", 0)
    # With room again, the same chunk is encoded anew.
    monkeypatch.setattr(encoding, "encoder_of", lambda *_: ENCODER)
    again = encoding.encode(made.encode[unit.chunks[0]], Path(order.cache), 1, halves=True)
    assert (again.rows, again.halved) == (None, ())
    assert [*Path(order.cache).glob("features/*/class/*.npy")]


def test_every_damaged_stream_is_encoded_again(units: tuple[work.Work, Order], tmp_path: Path) -> None:
    """One damaged shard is found at a time: the next look comes upon the next."""
    made, order = units
    (unit,) = made.score
    chunks: list[Any] = []
    for chunk in (made.encode[name] for name in unit.chunks):
        done = encoding.encode(chunk, Path(order.cache), 1)
        told = Encoded.model_construct(errors={}, seen=done.seen, encoder=done.key, parameters=(1, 1))
        chunks += [chunk, None, told]
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        folder.mkdir()
    Chunks(chunks, order).inputs(before, unit)
    shards = sorted(Path(order.cache).glob("features/*/*/*.npy"))
    assert len({shard.parent for shard in shards}) >= 4  # class, layers, text
    for shard in shards:
        content = bytearray(shard.read_bytes())
        content[-1] ^= 1
        shard.write_bytes(content)
    encoding.open_store.cache_clear()  # as another process: this one has what it mapped
    Chunks(chunks, order).inputs(after, unit)
    assert sorted(Path(order.cache).glob("features/*/*/*.npy")) == shards
    for path in before.iterdir():
        assert path.read_bytes() == (after / path.name).read_bytes()
