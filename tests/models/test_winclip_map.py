"""WinCLIP's anomaly maps, from image files to the numbers, against the slow oracle."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
from oracles import winclip as oracle
from oracles.winclip_images import Reference
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file

from gad.harness.adapter import Context, Features
from gad.harness.executor import single
from gad.harness.executor.texts import window_priors
from gad.harness.nouns import FeatureInput
from gad.models.backbones import describe
from gad.models.backbones.weights import TINY
from gad.models.winclip.adapter import WinCLIP
from gad.models.winclip.info import INFO, Options


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two prompts and two queries: noise in blocks, so that patches and windows differ."""
    folder = tmp_path_factory.mktemp("images")
    draw = np.random.default_rng(0)
    for number in range(4):
        pixels = draw.integers(0, 256, (9, 11, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((260, 230), Image.Resampling.NEAREST).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def reference() -> Reference:
    model = open_clip.CLIP(**json.loads((TINY / "config.json").read_text()))
    model.load_state_dict(load_file(TINY / "tiny.safetensors"))
    return Reference(model, open_clip.SimpleTokenizer(context_length=77))


def test_maps_are_the_papers(reference: Reference, images: list[Path], tmp_path: Path) -> None:
    """K = 2 and K = 0, as `harness score --maps` gives them: fp32, before they are kept as fp16."""
    seen, texts = [reference.look(path) for path in images], reference.texts("nut")
    pooled = tuple(np.concatenate([look[1][kind] for look in seen[:2]]) for kind in range(3))
    for shots in (2, 0):
        found = list(single.score(asked(images[:shots], tmp_path), images[2:]))
        for (image, compared), answer in zip(seen[2:], found, strict=True):
            expected = oracle.language_map(image, compared[:2], texts, reference.side)
            if shots:
                expected = oracle.pixel_map(expected, oracle.association_map(compared, pooled))
            assert answer.map.shape == (reference.side, reference.side)
            assert np.abs(answer.map.ravel() - expected).max() < 1e-4
            assert expected.std() > 1e-3


def asked(prompts: list[Path], cache: Path) -> single.Single:
    options = Options(backbone="tiny")
    wanted = describe.resolve(INFO.inputs(options))
    return single.Single(
        info=INFO,
        options=options,
        wanted=wanted,
        prompts=tuple(prompts),
        text="nut",
        maps=True,
        cache=cache,
    )


def test_priors_do_not_depend_on_the_batch() -> None:
    draw = np.random.default_rng(0)
    windows = draw.normal(size=(5, 9, 16)).astype(np.float16)
    texts = draw.normal(size=(2, 16)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    together = window_priors(windows, texts)
    assert together.dtype == np.float32
    for row in range(5):
        assert window_priors(windows[row : row + 1], texts).tobytes() == together[row].tobytes()
        for window in range(9):
            slow = oracle.text_score(windows[row, window], *texts.astype(np.float64))
            assert together[row, window] == pytest.approx(slow, abs=1e-5)


def test_the_map_of_four_patches_by_hand() -> None:
    """2x2 windows on 3x3 patches, all priors 1/2 but one; the 3x3 window's is 1/4, the image's 1."""
    queries = Features(
        class_tokens=np.array([[0.0, 1.0]], np.float32),  # on the anomalous text: its prior is 1
        text=np.eye(2, dtype=np.float32),
        nearest={12: np.full((1, 9), 0.5, np.float32)},
        nearest_windows={2: np.full((1, 4), 0.5, np.float32), 3: np.full((1, 1), 0.5, np.float32)},
        window_priors={
            2: np.array([[0.25, 0.5, 0.5, 0.5]], np.float32),
            3: np.full((1, 1), 0.25, np.float32),
        },
    )
    # The first patch lies in the first window alone, the last in the last; the middle one in all four.
    corner, last, middle = 3 / (4 + 4 + 1), 3 / (2 + 4 + 1), 3 / (2.5 + 4 + 1)
    context = Context("nut", "nut", seed=0, maps=True)
    for shots, expected in (
        (0, (corner, middle, last)),
        (1, [(v + 0.5) / 2 for v in (corner, middle, last)]),
    ):
        adapter = WinCLIP(Options(), context)
        adapter.prepare(Features(class_tokens=np.zeros((shots, 2), np.float32)))
        scored = adapter.score(queries)
        assert scored.maps is not None
        assert [scored.maps[0][place] for place in ((0, 0), (1, 1), (2, 2))] == pytest.approx(expected)
        blind = WinCLIP(Options(), replace(context, maps=False))
        blind.prepare(Features(class_tokens=np.zeros((shots, 2), np.float32)))
        assert blind.score(replace(queries, window_priors={})).scores.tobytes() == scored.scores.tobytes()


def test_priors_need_texts_and_windows() -> None:
    with pytest.raises(ValidationError, match="ask for text and for windows"):
        FeatureInput(backbone="tiny", windows=(2,), window_priors=True)
    assert "window_priors" not in FeatureInput(backbone="tiny").model_dump()
