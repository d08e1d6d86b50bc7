"""Encoders of timm in grids: PatchCore end to end on a CNN and a ViT, and combinations that cannot work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from oracles import patchcore as oracle
from PIL import Image
from support import Bench

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Generated weights: these tests are about the path that features take, not about detection."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("test_resnet", "test_vit"):
        torch.manual_seed(0)
        torch.save(timm.create_model(name, pretrained=False).state_dict(), folder / f"{name}.pt")
    return {name: folder / f"{name}.pt" for name in ("test_resnet", "test_vit")}


def grid(weights: dict[str, Path]) -> str:
    resnet = f"timm:test_resnet:{weights['test_resnet']}"
    return f"""
models:
  - {{name: patchcore, options: {{backbone: '{resnet}'}}}}
  - {{name: patchcore, options: {{backbone: '{resnet}', layers: [3, -1]}}}}
  - {{name: patchcore, options: {{backbone: 'timm:test_vit:{weights["test_vit"]}'}}}}
datasets: [textures]
shots: [2]
seeds: [0]
limits: {{test_images: 4}}
"""


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, bundled: Path, weights: dict[str, Path], cluster: str
) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("timm"), data=bundled)
    bench.run("submit", "--grid", bench.grid(grid(weights)), "--address", cluster, timeout=500)
    return bench


def test_each_image_meets_each_encoder_once(finished: Bench) -> None:
    """Two methods share one encoder, whose layers differ in size."""
    ((images,),) = finished.query("SELECT sum(images) FROM tasks WHERE stage = 'encode'")
    ((categories,),) = finished.query("SELECT count(DISTINCT category) FROM parts")
    assert images == 2 * categories * (4 + 2)
    assert len(finished.scores()) == 3 * categories * 4
    assert all(np.isfinite(score) and score > 0 for score in finished.scores().values())


def test_scores_are_patchcores(finished: Bench, bundled: Path, weights: dict[str, Path]) -> None:
    """One image again by hand: timm's transform, hooks on the plain model, the literal oracle."""
    model = timm.create_model("test_resnet", pretrained=False).eval()
    model.load_state_dict(torch.load(weights["test_resnet"], weights_only=True))
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model))
    kept: list[np.ndarray] = []
    for layer in (model.layer3, model.layer4):
        layer.register_forward_hook(lambda _, __, out: kept.append(out[0].half().double().numpy()))

    def maps(sample: str) -> list[np.ndarray]:
        kept.clear()
        with torch.inference_mode():
            model(transform(Image.open(bundled / "textures" / sample).convert("RGB"))[None])
        return list(kept)

    ((part,),) = finished.query(
        "SELECT part_id FROM parts WHERE category = 'wood' AND contains(options, '[3,-1]')"
    )
    prompts = finished.query(f"SELECT sample_id FROM prompts WHERE part_id = '{part}' ORDER BY position")
    bank = oracle.bank([oracle.local_features(maps(sample)) for (sample,) in prompts], first=0)
    name, stored = finished.query(
        f"SELECT sample_id, score FROM scores WHERE part_id = '{part}' ORDER BY sample_id DESC"
    )[0]
    expected, _ = oracle.score(oracle.local_features(maps(name)), bank)
    assert stored == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (
            "winclip",
            "no text encoder: models that compare with text or windows (winclip, inctrl) need a CLIP",
        ),
        ("{name: patchcore, options: {layers: [7]}}", "has stages 1 to 4"),
        ("{name: patchcore, options: {backbone: timm:tset_resnet}}", "Did you mean 'test_resnet'?"),
    ],
)
def test_what_cannot_work_is_refused_before_it_starts(
    tmp_path: Path, bundled: Path, weights: dict[str, Path], models: str, message: str
) -> None:
    bench = Bench(tmp_path / "bench", data=bundled)
    path = bench.grid(
        f"models: [{models}]\ndatasets: [textures]\nshots: [2]\nseeds: [0]\n"
        f"backbone: 'timm:test_resnet:{weights['test_resnet']}'\n"
    )
    planned = bench.json("plan", "--grid", path)
    assert planned["invalid_jobs"] == 1
    assert message in planned["reasons"][0]["reason"]
    ended = bench.run("submit", "--grid", path, code=None)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert "Nothing was started" in ended.stderr
