"""The generated surfaces: layout, masks, determinism, and that raw pixels say little about defects."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from gad.datasets import catalog
from gad.datasets.texture_defects import grid
from gad.datasets.texture_drawing import SENSOR_NOISE
from gad.datasets.texture_drawing import draw as draw_image
from gad.datasets.texture_kinds import surfaces_of
from gad.datasets.texture_noise import Stream
from gad.harness import manifest
from gad.harness.manifest import Prepared
from gad.harness.prompts import draw

AUXILIARY = "textures-auxiliary"


@pytest.fixture(scope="module")
def textures(bundled: Path) -> Prepared:
    return manifest.load(bundled, "textures")


def pixels(prepared: Prepared, path: str, side: int) -> np.ndarray:
    with Image.open(prepared.root_path / path) as image:
        return np.asarray(image.convert("RGB").resize((side, side)), dtype=np.float64).ravel()


def test_fingerprint_is_fixed(textures: Prepared) -> None:
    """Bytes, names and masks of all images. A change here changes every stored result's meaning."""
    assert textures.fingerprint == "29a56e31416b639b0567ebd4c2261a614d550e8e3993bfc8a4ef9e859d1e8fc3"


def test_auxiliary_images_are_fixed() -> None:
    """One image of each kind stands for the set: drawing all of it takes ten seconds."""
    running = hashlib.sha256()
    for category, surface in surfaces_of(AUXILIARY).items():
        for defect in ("good", *surface.defects):
            image, mask = draw_image(AUXILIARY, category, "test", defect, 0)
            running.update(image.tobytes() + (b"" if mask is None else mask.tobytes()))
    assert running.hexdigest() == "1d111c761745d8221d43912b93bcb89483840d2d37a9cca1bed6b5aab2e92970"


def test_layout_is_mvtecs(textures: Prepared) -> None:
    for sample in manifest.read_samples(textures):
        category, split, defect, name = sample.id.split("/")
        assert (category, split) == (sample.category, sample.split)
        assert defect == (sample.defect or "good")
        assert name.endswith(".bmp")
        assert (sample.label == 1) == bool(sample.defect)
        if sample.label:
            assert sample.mask == f"{category}/ground_truth/{defect}/{name.removesuffix('.bmp')}_mask.bmp"
        else:
            assert sample.mask == ""


@pytest.mark.parametrize("name", ["textures", AUXILIARY])
def test_cards_match_what_is_drawn(name: str) -> None:
    info, drawn = catalog.DATASETS[name], surfaces_of(name)
    assert sorted(drawn) == [c.category for c in info.expected]
    assert len(drawn) >= 6
    assert len({defect for surface in drawn.values() for defect in surface.defects}) >= 5
    assert info.auxiliary_only == (name == AUXILIARY)


def test_counts_are_the_cards(textures: Prepared) -> None:
    assert textures.warnings == ()
    found = [c.model_copy(update={"test_digest": ""}) for c in textures.categories]
    assert tuple(found) == catalog.DATASETS["textures"].expected


def test_no_surface_is_in_both_sets() -> None:
    ours, theirs = (surfaces_of(name) for name in ("textures", AUXILIARY))
    assert not ours.keys() & theirs.keys()
    assert not {s.draw for s in ours.values()} & {s.draw for s in theirs.values()}


def test_masks_fit_their_images(textures: Prepared) -> None:
    for sample in manifest.read_samples(textures, split="test", label=1):
        with (
            Image.open(textures.root_path / sample.mask) as mask,
            Image.open(textures.root_path / sample.path) as image,
        ):
            assert mask.size == image.size == (128, 128)
            assert set(np.unique(np.asarray(mask))) == {0, 255}, sample.mask
            assert 0.001 < (np.asarray(mask) > 0).mean() < 0.15, sample.mask  # local, and more than a dot


def test_every_image_differs(textures: Prepared) -> None:
    samples = manifest.read_samples(textures)
    assert len({s.digest for s in samples}) == len(samples)


@pytest.mark.parametrize(
    ("dataset", "category", "defect"),
    [
        (name, category, defect)
        for name in ("textures", AUXILIARY)
        for category, surface in surfaces_of(name).items()
        for defect, flaw in surface.defects.items()
        if flaw.paint is not None
    ],
)
def test_painted_defects_are_visible(dataset: str, category: str, defect: str) -> None:
    """Inside its mask a defect changes the picture by over three times the sensor's noise, on average."""
    surface = surfaces_of(dataset)[category]
    x, y = grid(128)
    for number in range(3):
        clean = surface.draw(Stream(category, str(number)), x + 300, y + 300)
        paint = surface.defects[defect].paint
        assert paint is not None
        painted, mask = paint(Stream(defect, str(number)), clean)
        change = np.abs(np.clip(painted, 0, 1) - np.clip(clean, 0, 1)).max(axis=-1)
        assert change[mask].mean() > 3 * SENSOR_NOISE
        assert change[~mask].mean() < SENSOR_NOISE


def test_raw_pixels_say_little(textures: Prepared) -> None:
    """Distance to the nearest of 4 prompts, at 32x32: near chance, so that a detector can be told apart."""
    by_seed = defaultdict(list)
    for category in textures.categories:
        train = manifest.read_samples(textures, category=category.category, split="train")
        test = manifest.read_samples(textures, category=category.category, split="test")
        values = {s.path: pixels(textures, s.path, 32) for s in train + test}
        for seed in (0, 1, 2):
            prompts = draw("textures", category.category, seed, train, 4).samples
            scores = [min(np.linalg.norm(values[s.path] - values[p.path]) for p in prompts) for s in test]
            by_seed[seed].append(roc_auc_score([s.label for s in test], scores))
    for seed, values_ in by_seed.items():
        assert 0.45 <= np.mean(values_) <= 0.75, seed
