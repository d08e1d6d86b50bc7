"""`harness train`, and `harness score` and `harness models export` with what it leaves. Called as functions:
each command would spend seconds on imports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from gad.harness import registry
from gad.harness.cli.exporting import export
from gad.harness.cli.score import score
from gad.harness.cli.train import train
from gad.harness.errors import ModelError, UsageError
from gad.harness.executor import encode, given, single
from gad.harness.methods import input_of
from gad.harness.nouns import FeatureInput, ModelChoice
from gad.models.backbones import generated
from gad.models.backbones.clip import ClipEncoder
from gad.models.backbones.weights import TINY, frozen_digest

SMALL = "ViT-S-32-alt"


def photos(folder: Path, count: int, seed: int) -> Path:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    for number in range(count):
        pixels = generator.integers(0, 256, (8, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((150, 130)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An auxiliary set, some photos, and one training of two epochs."""
    home = tmp_path_factory.mktemp("train")
    for place, count in (("train/good", 4), ("test/good", 1), ("test/scratch", 3)):
        photos(home / "helper" / "bolt" / place, count, seed=len(place))
    photos(home / "good", 3, seed=0)
    photos(home / "new", 2, seed=1)
    trained(home, "first")
    return home


def trained(home: Path, out: str, seed: int = 10) -> Path:
    train(
        model="inctrl",
        auxiliary=str(home / "helper"),
        shots=2,
        out=home / out,
        training_seed=seed,
        backbone="tiny",
        option=["epochs=2", "steps=3", "batch=4"],
        data=home / "data",
        cache=home / "cache",
    )
    return home / out


def asked(home: Path, **other: Any) -> None:
    given = {
        "images": [home / "new"],
        "model": "inctrl",
        "prompts": [home / "good"],
        "shots": 2,
        "class_name": "bolt",
        "checkpoint": home / "first" / "checkpoint.safetensors",
        "cache": home / "cache",
        "as_json": True,
    }
    score(**{**given, **other})


def test_what_a_training_leaves(home: Path) -> None:
    story = json.loads((home / "first" / "training.json").read_text())
    assert len(story["losses"]) == 6
    assert np.isfinite(story["losses"]).all()
    epochs = sorted((home / "first" / "epochs").iterdir())
    assert [path.name for path in epochs] == ["epoch-001.safetensors", "epoch-002.safetensors"]
    final = load_file(home / "first" / "checkpoint.safetensors")
    assert all(torch.equal(value, final[name]) for name, value in load_file(epochs[1]).items())
    assert not all(torch.equal(value, final[name]) for name, value in load_file(epochs[0]).items())
    with safe_open(home / "first" / "checkpoint.safetensors", framework="pt") as opened:
        said = json.loads(opened.metadata()["gad"])
    assert (said["auxiliary"], said["shots"], said["training_seed"]) == ("helper", 2, 10)
    assert (said["options"]["epochs"], said["options"]["components"]) == (2, "TPI")
    assert said["backbone_digest"] == frozen_digest(load_file(TINY / "tiny.safetensors"))


def test_the_same_training_gives_the_same_weights(home: Path) -> None:
    first = (home / "first" / "checkpoint.safetensors").read_bytes()
    assert (trained(home, "again") / "checkpoint.safetensors").read_bytes() == first
    assert (trained(home, "other", seed=11) / "checkpoint.safetensors").read_bytes() != first
    with pytest.raises(UsageError, match="is not empty"):
        trained(home, "first")
    with pytest.raises(UsageError, match=r"training\.json is a file"):
        trained(home, "first/training.json")


def test_scoring_with_it(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    asked(home, maps=tmp_path / "maps")
    plain = capsys.readouterr()
    rows = [json.loads(line) for line in plain.out.splitlines()]
    assert [Path(row["image"]).name for row in rows] == ["0.png", "1.png"]
    assert all(set(row) == {"image", "score", "image_score", "patch_score", "text_score"} for row in rows)
    assert "warning" not in plain.err
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["0.png", "1.png"]
    # The same weights in the authors' layout, which carries its encoder, say the same.
    export(home / "first" / "checkpoint.safetensors", out=tmp_path / "checkpoint.pyth")
    capsys.readouterr()
    asked(home, checkpoint=tmp_path / "checkpoint.pyth", backbone="tiny")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == rows
    # K = 1 works, and is not what the heads were trained for.
    asked(home, shots=1)
    said = capsys.readouterr()
    assert "was trained for K = 2; K is 1" in said.err
    assert len(said.out.splitlines()) == 2


def test_weights_that_were_trained_on_features_from_a_gpu(home: Path) -> None:
    """Their key names the device; the encoder is the same. That of another encoder stays another's."""
    known = registry.load().find("inctrl")
    options = known.info.options(backbone="tiny")
    wanted = input_of(known, ModelChoice(name="inctrl", options=options.model_dump(mode="json")))
    assert isinstance(wanted, FeatureInput)
    key = encode.encoder_key(encode.encoder_of(wanted, 1), device="cuda")
    assert key != encode.encoder_key(encode.encoder_of(wanted, 1))
    given.fits(home, {"encoder": key, "encoder_digest": ""}, wanted, 1)
    with pytest.raises(ModelError, match="another encoder"):
        given.fits(home, {"encoder": key[::-1], "encoder_digest": ""}, wanted, 1)


def test_a_handful_of_images_is_one_small_batch_with_the_bits_of_a_full_one(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two prompts and two photos; nothing of them is in the cache."""
    sizes: list[int] = []
    whole = ClipEncoder.images

    def counted(self: ClipEncoder, pixels: Any, *rest: Any, **named: Any) -> Any:
        sizes.append(len(pixels))
        return whole(self, pixels, *rest, **named)

    monkeypatch.setattr(ClipEncoder, "images", counted)
    said = []
    for few in (single.FEW, encode.BATCH):
        monkeypatch.setattr(single, "FEW", few)
        capsys.readouterr()
        asked(home)
        said.append(capsys.readouterr().out)
    assert sizes == [16, 32]
    assert said[0] == said[1]


def test_what_does_not_fit(home: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(open_clip.create_model(SMALL, pretrained=None).state_dict(), tmp_path / "other.pt")
    with pytest.raises(ModelError, match="was trained on another encoder than ViT-S-32-alt"):
        asked(home, backbone=f"{SMALL}:{tmp_path / 'other.pt'}")
    for option, found in (
        ("components=TP", "TPI and residual subtract, not TP"),
        ("residual=concat", "not TPI and"),
    ):
        with pytest.raises(ModelError, match=f"was trained with components .*{found}"):
            asked(home, option=[option])
    with pytest.raises(
        UsageError, match=r"first is a folder, not a checkpoint\nName the file in it: .*first/ch"
    ):
        asked(home, checkpoint=home / "first")
    with pytest.raises(UsageError, match="inctrl needs at least 1 normal image"):
        asked(home, prompts=None, shots=None)
    with pytest.raises(UsageError, match=r"--prompts has 3 image\(s\), and K = 4"):
        asked(home, shots=4)
    with pytest.raises(UsageError, match="winclip is not trained"):
        asked(home, model="winclip")
    with pytest.raises(ModelError) as few:
        train(
            model="inctrl",
            auxiliary=str(home / "helper"),
            shots=5,
            out=tmp_path / "out",
            backbone="tiny",
            data=home / "data",
            cache=home / "cache",
        )
    assert str(few.value).startswith("auxiliary category bolt has 5 normal samples; 5 prompts")
    assert "Traceback" not in str(few.value)
    with pytest.raises(UsageError, match="inctrl needs at least 1 prompts; K = 0"):
        train(model="inctrl", auxiliary=str(home / "helper"), shots=0, out=tmp_path / "out", backbone="tiny")


def test_a_model_that_looks_at_images_is_trained_once_for_every_k(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generated.write("timm:resnet18", tmp_path / "resnet18.safetensors")
    train(
        model="regad",
        auxiliary=str(home / "helper"),
        out=tmp_path / "out",
        backbone=f"timm:resnet18:{tmp_path / 'resnet18.safetensors'}",
        option=["epochs=1", "size=48", "batch=3"],
        data=home / "data",
        cache=home / "cache",
    )
    story = json.loads((tmp_path / "out" / "training.json").read_text())
    assert (story["shots"], len(story["losses"])) == (0, 2)  # of 4 normal train images
    assert not (tmp_path / "out" / "epochs").exists()
    (tmp_path / "resnet18.safetensors").rename(tmp_path / "elsewhere.safetensors")
    capsys.readouterr()
    given = {"model": "regad", "checkpoint": tmp_path / "out" / "checkpoint.safetensors"}
    with pytest.raises(ModelError, match="no file"):  # its name says which weights it started from
        asked(home, **given)
    (tmp_path / "elsewhere.safetensors").rename(tmp_path / "resnet18.safetensors")
    asked(home, **given, maps=tmp_path / "maps")
    said = capsys.readouterr()
    assert "warning" not in said.err
    assert len(said.out.splitlines()) == len(list((tmp_path / "maps").iterdir())) == 2
    with pytest.raises(UsageError, match="inctrl is trained for a K"):
        train(model="inctrl", auxiliary=str(home / "helper"), out=tmp_path / "other", backbone="tiny")
