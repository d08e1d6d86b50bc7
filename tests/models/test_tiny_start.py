"""Where the training of the bundled backbone starts, held to gratings whose waves are known."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch import Tensor

from gad.datasets.texture_drawing import draw
from gad.models.backbones.tiny import evaluate, objectives, start, waves

SIDE, PATCH = 128, 16


def grating(down: int, right: int, at: float = 0.0, strength: float = 0.1) -> Tensor:
    """A grey picture ``[1, 3, SIDE, SIDE]`` of one wave: so many periods a patch, so far along, of that amplitude."""
    line = 2 * math.pi * torch.arange(SIDE) / PATCH
    wave = torch.cos(down * line[:, None] + right * line[None] + at)
    return (0.5 + strength * wave).expand(1, 3, -1, -1)


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    model = evaluate.build()
    pictures = torch.cat([grating(0, 3, strength=0.05), grating(4, 0, strength=0.05)])
    start.prepare(model, pictures)
    return model.eval()


def test_all_channels_have_a_use() -> None:
    where = start.parts(192)
    ends = [(part.start, part.stop) for part in where]
    assert ends[0][0] == 0
    assert ends[-1][1] == 192
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ends))
    assert where.odd.stop - where.odd.start == where.described.stop - where.described.start


@pytest.mark.parametrize("number", [0, 5, 17, 40, 50])
def test_filters_give_the_fourier_coefficients(number: int) -> None:
    chosen = waves.chosen()
    both, flat = waves.filters(chosen, PATCH)
    raw = np.random.default_rng(number).random((3, PATCH, PATCH)).astype(np.float32)
    picture = evaluate.normalised(torch.from_numpy(raw)[None]) * torch.tensor(1.0)
    wave = chosen[number]
    plane = np.einsum("c,cij->ij", waves.AXES[wave.axis].numpy(), raw)
    wanted = np.fft.fft2(plane)[wave.down, wave.right] / PATCH**2
    found = (both * picture).sum((1, 2, 3))
    assert found[number].item() == pytest.approx(wanted.real, abs=1e-5)
    assert found[len(chosen) + number].item() == pytest.approx(-wanted.imag, abs=1e-5)
    grey = evaluate.normalised(torch.full((1, 3, PATCH, PATCH), 0.75)) - evaluate.normalised(
        torch.full((1, 3, PATCH, PATCH), 0.25)
    )
    colours = (flat * grey).sum((1, 2, 3))
    assert colours.tolist() == pytest.approx([0.5 * waves.COLOUR[0], 0, 0], abs=1e-5)


def test_what_a_patch_is_like_does_not_depend_on_where_its_pattern_lies(model: Any) -> None:
    first = start.described(model.visual, grating(0, 3))[0]
    moved = torch.cat([start.described(model.visual, grating(0, 3, at)) for at in (0.7, 1.9, 3.1)])
    others = torch.cat([start.described(model.visual, grating(*wave)) for wave in ((3, 0), (0, 6), (2, 2))])

    def away(tokens: Tensor) -> Tensor:
        return 1 - F.cosine_similarity(tokens, first[None], dim=-1)

    assert away(moved).max() < 0.1 * away(others).min()


def test_twice_the_contrast_is_twice_the_amplitude(model: Any) -> None:
    where = start.parts(192)
    weak, strong, none = (
        start.after(model.visual, grating(0, 3, strength=strength))[..., where.texture]
        for strength in (0.06, 0.12, 0.0)
    )
    number = int((strong - none).mean((0, 1)).argmax())
    assert number == waves.DIRECTIONS * 2  # the third band, waves across
    ratio = (strong - none)[..., number] / (weak - none)[..., number]
    assert ratio.min() > 1.7
    assert ratio.max() < 2.3


def test_flaws_are_found_before_any_training(model: Any) -> None:
    images = [
        draw("textures-auxiliary", "paper", "test", kind, i)[0] for kind in ("good", "hole") for i in range(8)
    ]
    tokens, _ = evaluate.features(model, [evaluate.resized(Image.fromarray(image), SIDE) for image in images])
    scores = evaluate.patch_residual([t[4:] for t in tokens], [t[:4] for t in tokens])
    assert roc_auc_score([0] * 4 + [1] * 8, scores) > 0.9


def test_the_anchor_is_0_at_the_same_distances_and_grows() -> None:
    tokens = torch.randn((2, 4, 64, 8), generator=torch.Generator().manual_seed(0))
    turn = torch.linalg.qr(torch.randn((8, 8), generator=torch.Generator().manual_seed(1))).Q
    assert objectives.anchor([3 * tokens @ turn], tokens).item() == pytest.approx(0, abs=1e-4)
    assert objectives.anchor([tokens, tokens[..., :4]], tokens) > 0.01
