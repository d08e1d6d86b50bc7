"""Encoders of timm: preprocessing, layers and pooled features against timm itself; weights that must be there."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from gad.harness import images
from gad.harness.errors import HarnessError, ModelError
from gad.harness.executor.encode import encoder_key
from gad.harness.nouns import FeatureInput, ImageInput
from gad.models.backbones import describe, spec, timm_encoder, timm_models
from gad.models.inctrl import info as inctrl
from gad.models.patchcore import info as patchcore
from gad.models.winclip import info as winclip

# Module names of layers 1 to n, for the literal oracle.
STAGES = {
    "resnet10t": ["layer1", "layer2", "layer3", "layer4"],
    "test_resnet": ["layer1", "layer2", "layer3", "layer4"],
    "test_convnext": [f"stages.{i}" for i in range(4)],
    "test_efficientnet": [f"blocks.{i}" for i in (1, 2, 3, 4)],
}
BLOCKS = {
    "test_vit": 6,
    "test_vit3": 9,
}  # the second without a class token, with registers, pooled by attention
NAMES = [*STAGES, *BLOCKS]


def generated(name: str) -> torch.nn.Module:
    """A network with its classifier and generated weights; norms and their statistics too are no ones and zeros."""
    torch.manual_seed(0)
    model: torch.nn.Module = timm.create_model(name, pretrained=False).eval()
    with torch.no_grad():
        for value in [*model.parameters(), *model.buffers()]:
            if value.dtype.is_floating_point and value.ndim == 1:
                value.copy_(1 + 0.3 * torch.rand_like(value))
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[torch.nn.Module, str]]:
    """A model by name, and the backbone that its weights file makes; each made once."""
    folder, made = tmp_path_factory.mktemp("weights"), dict[str, tuple[torch.nn.Module, str]]()

    def save(name: str) -> tuple[torch.nn.Module, str]:
        if name not in made:
            model, path = generated(name), folder / f"{name}.pt"
            torch.save({"state_dict": model.state_dict()}, path)
            made[name] = model, f"timm:{name}:{path}"
        return made[name]

    return save


Saved = Callable[[str], tuple[torch.nn.Module, str]]


def noise(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def hooked(
    model: torch.nn.Module, modules: list[str], inputs: torch.Tensor
) -> tuple[list[np.ndarray], torch.Tensor]:
    """What modules give while the whole model runs, in the order in which they do, and its logits."""
    kept: list[np.ndarray] = []
    handles = [
        model.get_submodule(name).register_forward_hook(lambda _, __, out: kept.append(out.clone().numpy()))
        for name in modules
    ]
    with torch.no_grad():
        logits = model(inputs)
    for handle in handles:
        handle.remove()
    return kept, logits


@pytest.mark.parametrize("name", NAMES)
def test_features_are_those_of_the_model(name: str, saved: Saved) -> None:
    model, backbone = saved(name)
    encoder = timm_encoder.load(spec.parse(backbone))
    known = describe.describe(backbone)
    assert encoder.input.size == known.image_size
    pixels = noise(2, known.image_size)
    found = encoder.images(pixels, range(1, known.depth + 1))
    cfg = model.pretrained_cfg
    mean, std = (np.array(cfg[what], np.float32) for what in ("mean", "std"))
    inputs = torch.from_numpy(((pixels / np.float32(255) - mean) / std).transpose(0, 3, 1, 2).copy())
    modules = STAGES.get(name) or [f"blocks.{i}" for i in range(BLOCKS[name])]
    assert len(modules) == known.depth
    assert len(found) == 1 + known.depth
    outputs, logits = hooked(model, modules, inputs)
    for layer, expected in enumerate(outputs, start=1):
        rows, side = found[f"layer-{layer:02d}"], known.sides[layer - 1]
        assert rows.dtype == np.float16
        assert rows.shape[:2] == (2, side * side)
        if name in BLOCKS:
            prefix = expected.shape[1] - side * side
            assert prefix == model.num_prefix_tokens
            np.testing.assert_allclose(rows, expected[:, prefix:], atol=2e-3, rtol=2e-3)
        else:
            assert expected.shape[2:] == (side, side)
            for y, x in [(0, 0), (0, side - 1), (side // 2, 1), (side - 1, side - 1)]:
                np.testing.assert_allclose(rows[:, y * side + x], expected[:, :, y, x], atol=2e-3, rtol=2e-3)
    assert found["class"].dtype == np.float32
    assert found["class"].shape == (2, known.embed_dim)
    with torch.no_grad():  # the pooled features are what the classifier makes its logits of
        classified = model.get_classifier()(torch.from_numpy(found["class"]))
        torch.testing.assert_close(classified, logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_layers_come_under_their_own_names(name: str, saved: Saved) -> None:
    encoder = timm_encoder.load(spec.parse(saved(name)[1]))
    pixels = noise(2, encoder.input.size)
    both, one, none = (encoder.images(pixels, layers) for layers in ([3, 2, 3], [3], []))
    assert sorted(both) == ["class", "layer-02", "layer-03"]
    assert np.array_equal(both["layer-03"], one["layer-03"])
    assert sorted(none) == ["class"]
    assert np.array_equal(none["class"], both["class"])
    for layers in ([0], [30]):
        with pytest.raises(ModelError, match="do not exist"):
            encoder.images(pixels, layers)
    with pytest.raises(ModelError, match="expected uint8"):
        encoder.images(noise(1, 8), [1])
    assert encoder.windows(pixels, []) == {}
    with pytest.raises(ModelError, match="no windows"):
        encoder.windows(pixels, [2])
    with pytest.raises(ModelError, match="no text encoder"):
        encoder.texts(["a"])


@pytest.mark.parametrize(
    ("name", "short", "size", "how", "resize"),
    [
        ("wide_resnet50_2", 256, 224, "bicubic", "crop"),
        ("wide_resnet50_2.tv_in1k", 256, 224, "bilinear", "crop"),
        ("test_resnet", 168, 160, "bilinear", "crop"),
        ("vit_base_patch14_dinov2", 518, 518, "bicubic", "crop"),
        ("dm_nfnet_f0", 213, 192, "bicubic", "squash"),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_preprocessing_is_timms(name: str, short: int, size: int, how: str, resize: str, mode: str) -> None:
    """As timm's own transform of the image as RGB: that is how timm evaluates its models."""
    wanted = timm_models.known(spec.parse(f"timm:{name}"))
    cfg = timm.get_pretrained_cfg(name).to_dict()
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, pretrained_cfg=cfg))
    spelled = {"short": short, "size": size, "interpolation": how, "resize": resize, "rgb_first": True}
    assert wanted.input == ImageInput.model_validate(spelled)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (wanted.mean, wanted.std))
    for wide, high in ((300, 200), (91, 640), (57, 56)):
        shape = (high // 8 + 1, wide // 8 + 1, 3)
        small = Image.fromarray(np.random.default_rng(wide).integers(0, 256, shape, dtype=np.uint8))
        image = small.resize((wide, high)).convert(mode)
        expected = (transform(image.convert("RGB")) * std + mean) * 255
        found = images.to_pixels(image, wanted.input)
        np.testing.assert_allclose(found, expected.permute(1, 2, 0).numpy(), atol=0.5)


def test_other_inputs_are_written_as_before() -> None:
    """Fields that only some encoders need are in no key of the others."""
    assert ImageInput(size=8).model_dump() == {"kind": "images", "size": 8, "resize": "squash"}
    assert "preprocessing" not in FeatureInput(backbone="tiny").model_dump()
    special = ImageInput(size=8, short=9, interpolation="bilinear", rgb_first=True)
    assert ImageInput.model_validate(special.model_dump()) == special
    with pytest.raises(ValueError, match="no 8 pixels"):
        ImageInput(size=8, short=7)


def test_an_input_is_spelled_out(saved: Saved) -> None:
    _, resnet = saved("test_resnet")
    found = describe.resolve(FeatureInput(backbone=resnet, tokens=True))
    assert (found.layers, found.size) == ((2, 3), 160)
    assert found.preprocessing.startswith("bilinear 168 crop 160, RGB first, mean (0.5, 0.5, 0.5)")
    assert len(found.weights) == 20
    assert describe.resolve(found) == found
    assert describe.describe(resnet).sides == (40, 20, 10, 5)
    assert describe.resolve(FeatureInput(backbone=resnet, layers=(-1, 4, 1))).layers == (4, 1)
    wide = describe.describe("timm:wide_resnet50_2")
    assert (wide.sides, wide.layers, wide.weights) == ((56, 28, 14, 7), (2, 3), "racm_in1k")
    assert (wide.kind, wide.embed_dim) == ("stages", 2048)
    assert describe.describe("timm:vit_base_patch14_dinov2").layers == (7, 9, 11)
    other = describe.resolve(FeatureInput(backbone="timm:wide_resnet50_2.tv_in1k"))
    assert other.weights == "tv_in1k"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (winclip.inputs(winclip.Options(backbone="timm:resnet18")), "no text encoder.*need a CLIP"),
        (inctrl.inputs(inctrl.Options(backbone="timm:resnet18")), "no text encoder.*need a CLIP"),
        (FeatureInput(backbone="timm:resnet18", windows=(2,)), "no windows"),
        (inctrl.inputs(inctrl.Options(backbone="timm:resnet18", components="P")), "2: 28x28, 3: 14x14"),
        (patchcore.inputs(patchcore.Options(backbone="timm:resnet81")), r"Did you mean 'resnet"),
        (FeatureInput(backbone="timm:wide_resnet50_2.tv_in2k"), "Did you mean 'tv_in1k'"),
        (FeatureInput(backbone="timm:wide_resnet50_2:tv_in1k"), r"timm:wide_resnet50_2\.tv_in1k"),
        (FeatureInput(backbone="timm:resnet18", layers=(5,)), "stages 1 to 4"),
        (FeatureInput(backbone="timm:test_vit", layers=(-7,)), "blocks 1 to 6"),
        (FeatureInput(backbone="timm:resnet18:/gone/r.pt"), "no file /gone/r.pt"),
        (FeatureInput(backbone="timm:cspresnet50d"), "no pretrained weights for cspresnet50d"),
        (FeatureInput(backbone="timm:vit_base_patch16_sapiens2"), "way that is not supported: 3 x"),
    ],
)
def test_what_cannot_work_is_refused_when_planned(wanted: FeatureInput, message: str) -> None:
    with pytest.raises(HarnessError, match=f"(?s){message}"):
        describe.resolve(wanted)


def test_timm_is_imported_only_where_it_is_named() -> None:
    script = (
        "import sys; from gad.models.backbones import describe; describe.describe('tiny')\n"
        "try: describe.describe('timm:resnet18:/gone.pt')\nexcept Exception: pass\n"
        "print([m for m in ('torch', 'timm', 'open_clip') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_weights_that_cannot_be_fetched_say_where_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> object:
        raise OSError("no network")

    monkeypatch.setattr(timm_encoder, "load_state_dict_from_hf", offline)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(ModelError) as caught:
        timm_encoder.load(spec.parse("timm:test_resnet"))
    assert "no network" in str(caught.value)
    assert "https://huggingface.co/timm/test_resnet.r160_in1k (model.safetensors)" in str(caught.value)
    assert "timm:test_resnet:/path/to/file" in str(caught.value)
    with pytest.raises(ModelError, match=r"come from https://github.com/.*seresnet18-4bb0ce65\.pth\. "):
        timm_encoder.load(spec.parse("timm:legacy_seresnet18"))


def test_default_weights_are_checked_like_a_file(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    model, backbone = saved("test_resnet")
    asked: list[str] = []

    def hub(name: str, **_: object) -> dict[str, torch.Tensor]:
        asked.append(name)
        return model.state_dict()

    monkeypatch.setattr(timm_encoder, "load_state_dict_from_hf", hub)
    fetched, local = (timm_encoder.load(spec.parse(each)) for each in ("timm:test_resnet", backbone))
    assert asked == ["timm/test_resnet.r160_in1k"]
    assert encoder_key(fetched) == encoder_key(local)
    monkeypatch.setattr(timm_encoder, "load_state_dict_from_hf", lambda *_, **__: {})
    with pytest.raises(ModelError, match=r"do not fit timm:test_resnet: \d+ missing"):
        timm_encoder.load(spec.parse("timm:test_resnet"))


def test_every_weight_is_accounted_for(saved: Saved, tmp_path: Path) -> None:
    model, backbone = saved("test_resnet")
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    digest = timm_encoder.load(spec.parse(backbone)).digest

    def loaded(**changes: torch.Tensor | None) -> timm_encoder.TimmEncoder:
        merged = {**state, **{key.replace("__", "."): value for key, value in changes.items()}}
        path = tmp_path / "changed.safetensors"
        save_file({key: value for key, value in merged.items() if value is not None}, path)
        return timm_encoder.load(spec.parse(f"timm:test_resnet:{path}"))

    # Another classifier or none, and the counters of batch norm, change nothing.
    assert loaded().digest == digest
    assert loaded(fc__weight=torch.ones(7, 96), fc__bias=None).digest == digest
    assert loaded(layer1__0__bn1__num_batches_tracked=None).digest == digest
    assert loaded(layer1__0__bn1__running_mean=torch.zeros(32)).digest != digest
    with pytest.raises(ModelError, match=r"1 missing \(layer1\.0\.bn1\.running_mean\)"):
        loaded(layer1__0__bn1__running_mean=None)
    with pytest.raises(ModelError, match=r"1 not known \(layer1\.0\.bn9\.weight\)"):
        loaded(layer1__0__bn9__weight=torch.ones(1))
    with pytest.raises(ModelError, match=r"1 of another shape \(layer1\.0\.bn1\.bias \(3,\), expected"):
        loaded(layer1__0__bn1__bias=torch.ones(3))
    with pytest.raises(ModelError, match="do not fit timm:test_vit"):
        timm_encoder.load(spec.parse(f"timm:test_vit:{tmp_path / 'changed.safetensors'}"))


def test_checkpoints_that_timm_converts(saved: Saved, tmp_path: Path) -> None:
    """As DINOv2 was published, with a token that only its training used. But nothing is ever resampled."""
    model, backbone = saved("test_vit")
    state = {**model.state_dict(), "mask_token": torch.zeros(1, 64)}
    torch.save(state, tmp_path / "original.pt")
    original = spec.parse(f"timm:test_vit:{tmp_path / 'original.pt'}")
    assert timm_encoder.load(original).digest == timm_encoder.load(spec.parse(backbone)).digest
    state["pos_embed"] = torch.zeros(1, 1 + 14 * 14, 64)
    torch.save(state, tmp_path / "original.pt")
    with pytest.raises(ModelError, match=r"1 of another shape \(pos_embed \(1, 197, 64\), expected"):
        timm_encoder.load(original)


def test_the_same_weights_in_another_network_are_another_encoder(saved: Saved) -> None:
    """The weights fit both; only the activation differs."""
    model, _ = saved("test_vit")
    known = timm_models.known(spec.parse("timm:test_vit"))
    one = timm_encoder.TimmEncoder(model, known)
    other = timm_encoder.TimmEncoder(model, known.model_copy(update={"name": "test_vit_quickgelu"}))
    assert one.digest != other.digest


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path(BOMB),))


BOMB = ""


@pytest.mark.parametrize("content", ["pickle", "text", "empty", "list"])
def test_files_that_are_no_weights(tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle of something else is refused, and nothing in it runs."""
    victim = tmp_path / "executed"
    monkeypatch.setitem(globals(), "BOMB", str(victim))
    path = tmp_path / "weights.pt"
    if content == "pickle":
        path.write_bytes(pickle.dumps({"state_dict": Bomb()}))
    elif content == "list":
        torch.save([1, 2], path)
    else:
        path.write_text("hello" if content == "text" else "")
    with pytest.raises(ModelError, match="is not a weights file"):
        timm_encoder.load(spec.parse(f"timm:test_resnet:{path}"))
    assert not victim.exists()
