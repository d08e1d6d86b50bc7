"""Where an encoder computes and how precisely: keys tell precisions apart, and nothing falls back in silence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gad.harness import registry
from gad.harness.errors import ModelError
from gad.harness.executor import encode
from gad.harness.methods import input_of
from gad.harness.nouns import FeatureInput, ModelChoice
from gad.harness.units import source_of
from gad.models.backbones import clip, spec

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason="says what happens on a machine without a GPU"
)


def wanted(precision: str, model: str = "winclip") -> FeatureInput:
    known = registry.load().find(model)
    options = known.info.options(backbone="tiny").model_dump(mode="json")
    found = input_of(known, ModelChoice(name=model, options=options), precision)  # type: ignore[arg-type]
    assert isinstance(found, FeatureInput)
    return found


def test_bf16_is_near_fp32_and_has_a_key_of_its_own() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    exact, rough = (clip.load(spec.parse("tiny")) for _ in range(2))
    rough.place("cpu", "bf16")
    of_exact, of_rough = exact.images(pixels, [2, 4]), rough.images(pixels, [2, 4])
    assert {name: rows.dtype for name, rows in of_rough.items()} == {
        name: rows.dtype for name, rows in of_exact.items()
    }
    for name, rows in of_exact.items():
        error = np.abs(rows.astype(np.float32) - of_rough[name]).max() / np.abs(rows).max()
        assert 1e-5 < error < 0.05, name  # bf16 keeps 8 bits
    windows = rough.windows(pixels, [2])["window-2"]
    assert np.isfinite(windows).all()
    assert np.array_equal(exact.texts(["a photo"]), rough.texts(["a photo"]))
    assert encode.encoder_key(exact) != encode.encoder_key(rough)


def test_a_key_in_fp32_says_nothing_of_precision_or_device() -> None:
    """So that what was recorded before there was a choice is still found."""
    assert "precision" not in wanted("fp32").model_dump()
    assert wanted("bf16").model_dump()["precision"] == "bf16"
    assert source_of(wanted("fp32").model_dump(mode="json")) != source_of(
        wanted("bf16").model_dump(mode="json")
    )


def test_encoders_of_two_precisions_are_two() -> None:
    exact, rough = (encode.encoder_of(wanted(precision), 1) for precision in ("fp32", "bf16"))
    assert (exact.precision, rough.precision) == ("fp32", "bf16")


def test_no_gpu_is_an_error() -> None:
    with pytest.raises(ModelError, match="torch sees none here"):
        encode.encoder_of(wanted("fp32"), 1, "cuda")
