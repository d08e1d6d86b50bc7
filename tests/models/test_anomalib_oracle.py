"""PaDiM and PatchCore against anomalib's: the same weights, images and channels, no coreset.

anomalib sees the features as they are stored here, in half precision: what is compared is what is made of them.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from encoded import RESNET, SIZE, features, pictures, resnet
from torch import Tensor, nn

from gad.harness.adapter import Context, Features
from gad.models.backbones.encoder import normalised
from gad.models.feature_maps import layer_maps
from gad.models.padim import score as padim
from gad.models.padim.adapter import Padim
from gad.models.padim.info import Options as PadimOptions
from gad.models.patchcore.adapter import PatchCore
from gad.models.patchcore.info import Options as PatchCoreOptions

pytest.importorskip("anomalib", reason="anomalib is not installed (the extra `anomalib`)")

SHOTS, QUERIES = 4, 6
SCALE = 64  # of features: those of drawn weights are so small that PaDiM's covariance would hardly matter
CONTEXT = Context(category="c", text="c", seed=5)


class Stored(nn.Module):
    """anomalib's extractor, whose features are rounded as the feature store does and go on in float64."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner, self.out_dims = inner, inner.out_dims

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {name: SCALE * found.half().double() for name, found in self.inner(images.float()).items()}


def of_anomalib(kind: str, layers: list[str], **options: Any) -> Any:
    """A model of anomalib with the weights of our ResNet-18."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from anomalib.models.image.padim.torch_model import PadimModel
        from anomalib.models.image.patchcore.torch_model import PatchcoreModel

        made = {"padim": PadimModel, "patchcore": PatchcoreModel}[kind](
            backbone="resnet18", layers=layers, pre_trained=False, **options
        )
    network = made.feature_extractor.feature_extractor
    ours = resnet().model.state_dict()
    network.load_state_dict({name: ours[name] for name in network.state_dict()})
    extractor = made.feature_extractor.eval()
    made = made.double()
    made.feature_extractor = Stored(extractor.float())
    return made.train()


def stored(count: int, seed: int, layers: tuple[int, ...] = (1, 2, 3)) -> Features:
    """The same features as ours."""
    found = features(count, seed=seed, layers=layers)
    return replace(found, tokens={layer: SCALE * tokens for layer, tokens in found.tokens.items()})


def images(count: int, seed: int) -> Tensor:
    """What anomalib's own transform would give: pixels normalised as the backbone wants them."""
    encoder = resnet()
    return normalised(pictures(count, seed=seed), SIZE, encoder.mean, encoder.std).double()


@torch.no_grad()
def test_padim() -> None:
    """Distances at every position. anomalib adds 0.01 and then 1e-5 to the covariance's diagonal."""
    ours = Padim(PadimOptions(backbone=RESNET, channels=40, epsilon=0.01 + 1e-5), CONTEXT)
    ours.prepare(stored(SHOTS, seed=1))
    assert ours.fitted is not None
    assert (ours.fitted.variances[..., 0] > 10 * ours.fitted.epsilon).all()
    theirs = of_anomalib("padim", ["layer1", "layer2", "layer3"], n_features=40)
    theirs.idx = ours.chosen
    theirs(images(SHOTS, seed=1))
    torch.set_default_dtype(torch.float64)
    try:
        theirs.fit()
    finally:
        torch.set_default_dtype(torch.float32)
    embedded = theirs.generate_embedding(theirs.feature_extractor(images(QUERIES, seed=70)))
    statistics = [theirs.gaussian.mean, theirs.gaussian.inv_covariance]
    expected = theirs.anomaly_map_generator.compute_distance(embedded, statistics).flatten(1)
    queries = padim.embedded(layer_maps(stored(QUERIES, seed=70)), ours.chosen)
    found = torch.stack([padim.mahalanobis(query, ours.fitted) for query in queries])
    assert found.shape == expected.shape == (QUERIES, 64)
    assert largest(found, expected) < 1e-4


@torch.no_grad()
def test_patchcore() -> None:
    """Image scores, and the patches' distances; the bank holds every patch of the prompts."""
    ours = PatchCore(PatchCoreOptions(backbone=RESNET), CONTEXT)
    ours.prepare(stored(SHOTS, seed=1, layers=(2, 3)))
    found = ours.score(stored(QUERIES, seed=70, layers=(2, 3)))
    theirs = of_anomalib("patchcore", ["layer2", "layer3"])
    theirs(images(SHOTS, seed=1))
    theirs.memory_bank = torch.vstack(theirs.embedding_store)
    theirs.eval()
    shown = images(QUERIES, seed=70)
    expected = theirs(shown).pred_score
    patches = {name: theirs.feature_pooler(each) for name, each in theirs.feature_extractor(shown).items()}
    distances, _ = theirs.nearest_neighbors(theirs.reshape_embedding(theirs.generate_embedding(patches)), 1)
    assert found.maps is not None
    assert largest(torch.from_numpy(found.maps).flatten(), distances) < 1e-4
    assert largest(torch.from_numpy(found.scores), expected.flatten()) < 1e-4


def largest(found: Tensor, expected: Tensor) -> float:
    """The largest relative difference."""
    worst = float(((found.double() - expected) / expected).abs().max())
    print(f"largest relative difference {worst:.2e}")  # what docs/oracles.md quotes: pytest -s
    return worst


def test_stored_features_are_the_same() -> None:
    """Both networks are one: the features differ by nothing once they are rounded."""
    theirs = of_anomalib("padim", ["layer1", "layer2", "layer3"], n_features=40)
    with torch.no_grad():
        found = theirs.feature_extractor(images(2, seed=1))
    for name, ours in zip(("layer1", "layer2", "layer3"), layer_maps(stored(2, seed=1)), strict=True):
        assert np.array_equal(found[name].numpy(), ours.double().numpy())
