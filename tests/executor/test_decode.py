"""Decoded pixels: on any number of threads, once for all encoders that see images the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import raws
from PIL import Image

from gad.harness.chunks import Chunks
from gad.harness.executor import decode
from gad.harness.executor.encode import encode, encoder_key, encoder_of, open_store
from gad.harness.features.shards import Stream
from gad.harness.images import open_image, to_pixels
from gad.harness.manifest import file_digest
from gad.harness.nouns import FeatureInput, ImageInput, Sample
from gad.harness.units import EncodeUnit, source_of
from gad.models.backbones.describe import resolve


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Six images in tmp_path, wide ones; the fourth cannot be read."""
    made = []
    for number in range(6):
        path = raws.picture(tmp_path / f"{number}.png", raws.noise(number, 20, 60, 3))
        if number == 3:
            path.write_bytes(b"no image")
        made.append(
            Sample(
                id=path.name, path=path.name, label=0, split="test", category="c", digest=file_digest(path)
            )
        )
    return made


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_change_nothing(tmp_path: Path, samples: list[Sample], threads: int) -> None:
    wanted = ImageInput(size=16)
    pixels, errors = decode.pixels_of(samples, tmp_path, wanted, threads)
    for row, sample in enumerate(samples):
        if row == 3:
            assert not pixels[row].any()
            assert "3.png" in errors[sample.digest]
        else:
            assert np.array_equal(pixels[row], to_pixels(open_image(tmp_path, sample), wanted))
    assert len(errors) == 1


def unit(tmp_path: Path, samples: list[Sample], shared: bool, **fields: Any) -> EncodeUnit:
    wanted = resolve(FeatureInput(backbone="tiny", **fields))
    return EncodeUnit(
        unit_id="u", dataset="d", root=str(tmp_path), input=wanted, samples=tuple(samples), shared=shared
    )


def stored(cache: Path, key: str, samples: list[Sample]) -> np.ndarray:
    good = [s.digest for row, s in enumerate(samples) if row != 3]
    return open_store(cache).read(Stream(encoder=key, name="class"), good)


def test_a_second_encoder_decodes_nothing(
    tmp_path: Path, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the features are those of pixels that are not shared."""
    decoded: list[str] = []
    monkeypatch.setattr(
        decode, "open_image", lambda root, sample: decoded.append(sample.id) or open_image(root, sample)
    )
    for number, precision in enumerate(("fp32", "bf16")):
        made = encode(unit(tmp_path, samples, True, precision=precision), tmp_path / "a", 1)
        assert (made.count, list(made.errors)) == (5, [samples[3].digest])
        assert sorted(decoded) == sorted([s.id for s in samples] + ["3.png"] * number)
    plain = encode(unit(tmp_path, samples, False, precision="bf16"), tmp_path / "b", 1)
    assert plain.key == made.key
    assert np.array_equal(
        stored(tmp_path / "a", made.key, samples), stored(tmp_path / "b", made.key, samples)
    )


def test_damaged_pixels_are_decoded_again(tmp_path: Path, samples: list[Sample]) -> None:
    store, wanted = open_store(tmp_path / "c"), ImageInput(size=16)
    first, _ = decode.shared_pixels(store, samples, tmp_path, wanted)
    (shard,) = store.folder.glob("*/pixels/*.npy")
    content = bytearray(shard.read_bytes())
    content[-5] ^= 1
    shard.write_bytes(content)
    open_store.cache_clear()
    again, errors = decode.shared_pixels(open_store(tmp_path / "c"), samples, tmp_path, wanted)
    assert np.array_equal(first, again)
    assert list(errors) == [samples[3].digest]


def test_only_encoders_that_look_alike_share() -> None:
    def shared(*inputs: FeatureInput) -> list[bool]:
        chunks = Chunks()
        fields = [resolve(wanted).model_dump(mode="json") for wanted in inputs]
        for each in fields:
            chunks.want(each)
        return [chunks._is_shared(resolve(wanted)) for wanted in inputs]

    tiny, rough = FeatureInput(backbone="tiny"), FeatureInput(backbone="tiny", precision="bf16")
    assert shared(tiny) == [False]
    assert shared(tiny, rough) == [True, True]
    assert shared(tiny, FeatureInput(backbone="tiny", resize="pad")) == [False, False]


def test_another_way_of_resizing_is_another_encoder(tmp_path: Path, samples: list[Sample]) -> None:
    """A wide image: its ends are in the pixels that are padded, and in the key."""
    assert "resize" not in FeatureInput(backbone="tiny").model_dump()
    wanted = {how: resolve(FeatureInput(backbone="tiny", resize=how)) for how in ("crop", "squash", "pad")}
    assert len({source_of(each.model_dump(mode="json")) for each in wanted.values()}) == 3
    encoder = encoder_of(wanted["crop"], 1)
    assert encoder_key(encoder, "crop") == encoder_key(encoder)
    assert len({encoder_key(encoder, how) for how in wanted}) == 3
    key = encode(unit(tmp_path, samples[:1], False, resize="pad"), tmp_path / "d", 1).key
    side = encoder.input.size
    image = Image.open(tmp_path / "0.png").resize((side, round(side / 3)), Image.Resampling.BICUBIC)
    square = Image.new("RGB", (side, side))
    square.paste(image, (0, (side - image.height) // 2))
    filled = np.zeros((32, side, side, 3), np.uint8)
    filled[0] = np.asarray(square)
    expected = encoder.images(filled, [])["class"][0]
    assert np.array_equal(stored(tmp_path / "d", key, samples[:1])[0], expected)
