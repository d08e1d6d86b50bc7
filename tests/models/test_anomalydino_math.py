"""AnomalyDINO against the slow oracle; tokens after a ViT's final norm, at another image size."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from encoded import pictures
from oracles import anomalydino as oracle
from oracles import maps as slow_maps
from timm.layers import resample_abs_pos_embed

from gad.harness.adapter import Context, Features
from gad.harness.errors import HarnessError, ModelError
from gad.harness.features.nearest import RunningNearest
from gad.harness.nouns import FeatureInput
from gad.models.anomalydino.adapter import AnomalyDino
from gad.models.anomalydino.info import Options, inputs
from gad.models.backbones import describe, generated, spec, timm_encoder

SIZE = 96  # six patches of 16 pixels a side; test_vit itself sees 160


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "vit.safetensors"
    generated.write("timm:test_vit", path, seed=2)
    return f"timm:test_vit@{SIZE}:{path}"


def literal(backbone: str, pixels: np.ndarray) -> np.ndarray:
    """The patch tokens of timm's own forward pass, which ends with the norm, on resampled positions."""
    model = timm.create_model("test_vit", num_classes=0, img_size=SIZE).eval()
    whole = timm.create_model("test_vit", checkpoint_path=spec.parse(backbone).file)
    state = {name: value for name, value in whole.state_dict().items() if not name.startswith("head.")}
    state["pos_embed"] = resample_abs_pos_embed(
        state["pos_embed"], new_size=[SIZE // 16] * 2, num_prefix_tokens=1
    )
    model.load_state_dict(state)
    inputs = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        tokens: np.ndarray = model.forward_features((inputs - 0.5) / 0.5)[:, 1:].numpy()
    return tokens


def test_tokens_are_those_after_the_final_norm(backbone: str) -> None:
    encoder, pixels = timm_encoder.load(spec.parse(backbone)), pictures(2, SIZE)
    assert encoder.input.size == SIZE
    found = encoder.images(pixels, [6], normed=True)["layer-06"]
    assert found.shape == (2, 36, 64)
    np.testing.assert_allclose(found, literal(backbone, pixels), atol=2e-3, rtol=2e-3)
    assert not np.allclose(found, encoder.images(pixels, [6])["layer-06"], atol=0.1)


def test_an_image_size_is_part_of_the_encoder(backbone: str) -> None:
    wanted = describe.resolve(inputs(Options(backbone=backbone)))
    assert (wanted.size, wanted.layers, wanted.stream(6)) == (SIZE, (6,), "normed-06")
    assert str(spec.parse(backbone)) == backbone
    dino = describe.describe("timm:vit_small_patch14_dinov2.lvd142m@448")
    assert (dino.image_size, dino.sides[-1], dino.embed_dim) == (448, 32, 384)
    assert dino.preprocessing.startswith("bicubic 448 crop 448")
    assert describe.describe("timm:resnet18@64").sides == (16, 8, 4, 2)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (FeatureInput(backbone="timm:resnet18", normed=True), "no norm after its last stage"),
        (FeatureInput(backbone="timm:test_vit@100"), "cannot see images of 100 pixels"),
        (FeatureInput(backbone="timm:test_vit@big"), "size in pixels"),
        (FeatureInput(backbone="ViT-B-16@96:laion400m_e32"), "size in pixels"),
    ],
)
def test_sizes_that_cannot_be_had(wanted: FeatureInput, message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        describe.resolve(wanted)


def test_scores_and_maps(backbone: str) -> None:
    encoder = timm_encoder.load(spec.parse(backbone))
    prompts, queries = (
        encoder.images(pictures(n, SIZE, seed=n), [6], normed=True)["layer-06"] for n in (3, 6)
    )
    running = RunningNearest(queries)
    for prompt in prompts:
        running.add(prompt)
    given = Features(
        class_tokens=np.zeros((6, 1), np.float32), nearest={6: running.distance.numpy()}, size=SIZE
    )
    for top in (0.01, 0.2):
        options = Options(backbone=backbone, top=top)
        detector = AnomalyDino(options, Context(category="c", text="c", seed=0, maps=True))
        with pytest.raises(ModelError, match="before prepare"):
            detector.score(given)
        detector.prepare(given.rows(0, 3))
        found = detector.score(given)
        assert found.maps is not None
        for image in range(6):
            distances = oracle.patch_distances(queries[image], list(prompts))
            assert float(found.scores[image]) == pytest.approx(
                oracle.image_score(distances, top), abs=1e-5, rel=1e-4
            )
            if image < 2:
                slow = slow_maps.smoothed(np.array(distances).reshape(6, 6), SIZE)
                assert found.maps[image] == pytest.approx(slow, abs=1e-5, rel=1e-4)
        one_by_one = [detector.score(given.rows(i, i + 1)).scores for i in range(6)]
        assert np.array_equal(np.concatenate(one_by_one), found.scores)
