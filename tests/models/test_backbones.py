"""Frozen encoders: names, weights that must be there, features against open_clip's own forward pass."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from oracles import winclip as oracle

from gad.harness.errors import ModelError, UsageError
from gad.harness.nouns import FeatureInput
from gad.models.backbones import clip, describe, spec, weights

# The smallest plain ViT that open_clip knows by name: random weights, made here and only for these tests.
SMALL = "ViT-S-32-alt"


@pytest.mark.parametrize(
    ("text", "family", "name", "tag", "file"),
    [
        ("tiny", "tiny", "tiny", "", ""),
        ("ViT-B-16-plus-240:laion400m_e32", "open_clip", "ViT-B-16-plus-240", "laion400m_e32", ""),
        ("ViT-B-32:/a/b.pt", "open_clip", "ViT-B-32", "", "/a/b.pt"),
        ("ViT-B-32:weights.safetensors", "open_clip", "ViT-B-32", "", "weights.safetensors"),
        ("timm:wide_resnet50_2", "timm", "wide_resnet50_2", "", ""),
        ("timm:resnet18:./r.pth", "timm", "resnet18", "", "r.pth"),
    ],
)
def test_names(text: str, family: str, name: str, tag: str, file: str) -> None:
    found = spec.parse(text)
    assert (found.family, found.name, found.tag, found.file) == (
        family,
        name,
        tag,
        file.removeprefix("./") or "",
    )


@pytest.mark.parametrize("text", ["", "ViT-B-32", ":", "timm:", ":tag"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(UsageError, match="is not a backbone"):
        spec.parse(text)


def test_layers_in_proportion() -> None:
    assert spec.default_layers(12) == (7, 9, 11)
    assert spec.default_layers(24) == (14, 18, 22)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of a small CLIP with generated weights."""
    torch.manual_seed(0)
    model = open_clip.create_model(SMALL, pretrained=None)
    path = tmp_path_factory.mktemp("weights") / "small.pt"
    torch.save({"state_dict": model.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def encoder(small: Path) -> clip.ClipEncoder:
    return clip.load(spec.parse(f"{SMALL}:{small}"))


def noise(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_features_are_those_of_the_model(encoder: clip.ClipEncoder, small: Path) -> None:
    """Against the model run block by block by hand, and its own encode_image and encode_text."""
    model = open_clip.create_model(SMALL, pretrained=str(small), require_pretrained=True).eval()
    pixels = noise(3, encoder.image_size)
    found = encoder.images(pixels, [2, 7])
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(3, 1, 1)
    std = torch.tensor(open_clip.OPENAI_DATASET_STD).view(3, 1, 1)
    inputs = torch.stack([(torch.from_numpy(p).permute(2, 0, 1) / 255 - mean) / std for p in pixels])
    with torch.no_grad():
        visual = model.visual
        tokens = visual.conv1(inputs).flatten(2).transpose(1, 2)
        first = visual.class_embedding.expand(3, 1, -1)
        tokens = visual.ln_pre(torch.cat([first, tokens], dim=1) + visual.positional_embedding)
        for number, block in enumerate(visual.transformer.resblocks, start=1):
            tokens = block(tokens)
            if number in (2, 7):
                layer = found[f"layer-{number:02d}"]
                assert layer.dtype == np.float16
                np.testing.assert_allclose(layer, tokens[:, 1:].numpy(), atol=2e-3, rtol=1e-3)
        np.testing.assert_allclose(found["class"], model.encode_image(inputs).numpy(), atol=1e-5)
        lines = ["a photo of a candle.", "damaged candle"]
        expected = model.encode_text(open_clip.get_tokenizer(SMALL)(lines)).numpy()
    assert found["class"].dtype == np.float32
    np.testing.assert_allclose(encoder.texts(lines), expected, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_windows_are_a_masked_forward(encoder: clip.ClipEncoder, small: Path, size: int) -> None:
    """Against all tokens going through all blocks, with attention kept inside the class token and a window."""
    model = open_clip.create_model(SMALL, pretrained=str(small), require_pretrained=True).eval()
    pixels = noise(2, encoder.image_size)
    found = encoder.windows(pixels, [size])[f"window-{size}"]
    layout = oracle.windows(7, size)
    assert (found.dtype, found.shape) == (np.float16, (2, len(layout), encoder.embed_dim))
    for number in sorted({0, len(layout) // 2, len(layout) - 1}):
        inside = [0, *(patch + 1 for patch in layout[number])]
        mask = torch.full((50, 50), -torch.inf)
        mask[:, inside] = 0
        with torch.no_grad():
            visual = model.visual
            tokens = visual.conv1(encoder._normalised(pixels)).flatten(2).transpose(1, 2)
            first = visual.class_embedding.expand(2, 1, -1)
            tokens = visual.ln_pre(torch.cat([first, tokens], dim=1) + visual.positional_embedding)
            for block in visual.transformer.resblocks:
                tokens = block(tokens, attn_mask=mask)
            expected = visual.ln_post(tokens[:, 0]) @ visual.proj
        np.testing.assert_allclose(found[:, number], expected.numpy(), atol=2e-3, rtol=1e-3)


def test_windows_of_one_image_do_not_depend_on_others(encoder: clip.ClipEncoder) -> None:
    pixels = noise(3, encoder.image_size)
    together = encoder.windows(pixels, (3, 2))
    alone = encoder.windows(pixels[2:], (2, 3))
    assert sorted(together) == ["window-2", "window-3"]
    assert all(np.array_equal(together[name][2:], alone[name]) for name in alone)
    whole = encoder.windows(pixels, [7])["window-7"][:, 0]  # the only window is the image
    np.testing.assert_allclose(whole, encoder.images(pixels, [1])["class"], atol=2e-3, rtol=1e-3)
    assert encoder.windows(pixels, []) == {}
    with pytest.raises(ModelError, match="do not fit a grid of 7x7"):
        encoder.windows(pixels, [8])


def test_an_input_is_spelled_out(small: Path) -> None:
    backbone = f"{SMALL}:{small}"
    depth = describe.describe(backbone).depth
    wanted = FeatureInput(backbone=backbone, layers=(-1, 2, depth, 1 - depth), windows=(2, 7))
    found = describe.resolve(wanted)
    assert (found.layers, found.windows, found.size) == ((depth, 2), (2, 7), 224)
    assert describe.resolve(found) == found
    for layers in ((0,), (depth + 1,), (-depth - 1,)):
        with pytest.raises(ModelError, match=f"blocks 1 to {depth}"):
            describe.resolve(FeatureInput(backbone=backbone, layers=layers))
    for windows in ((0,), (2, 8)):
        with pytest.raises(ModelError, match="has 7x7 patches"):
            describe.resolve(FeatureInput(backbone=backbone, windows=windows))


def test_layers_come_under_their_own_names(encoder: clip.ClipEncoder) -> None:
    pixels = noise(1, encoder.image_size)
    forward, backward = encoder.images(pixels, [2, 4]), encoder.images(pixels, [4, 2])
    assert np.array_equal(forward["layer-02"], backward["layer-02"])
    assert not np.array_equal(forward["layer-02"], forward["layer-04"])
    with pytest.raises(ModelError, match="blocks 1 to"):
        encoder.images(pixels, [0])


def test_wrong_images_are_refused(encoder: clip.ClipEncoder) -> None:
    with pytest.raises(ModelError, match="expected uint8"):
        encoder.images(noise(1, 8), [1])
    with pytest.raises(ModelError, match="expected uint8"):
        encoder.images(noise(1, encoder.image_size).astype(np.float32), [1])  # type: ignore[arg-type]


def test_the_digest_names_the_weights_not_the_file(
    encoder: clip.ClipEncoder, small: Path, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    state = weights.read(spec.parse(f"{SMALL}:{small}"))
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "same.safetensors")
    assert clip.load(spec.parse(f"{SMALL}:{tmp_path / 'same.safetensors'}")).digest == encoder.digest
    state["text_projection"][0, 0] += 1e-3
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "other.safetensors")
    assert clip.load(spec.parse(f"{SMALL}:{tmp_path / 'other.safetensors'}")).digest != encoder.digest


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no file"):
        clip.load(spec.parse(f"{SMALL}:{tmp_path / 'gone.pt'}"))
    with pytest.raises(ModelError, match="Did you mean 'ViT-B-32'"):
        clip.load(spec.parse("ViT-B-23:openai"))
    with pytest.raises(ModelError, match="Its tags: laion400m_e31, laion400m_e32"):
        clip.load(spec.parse("ViT-B-16-plus-240:laion"))


def test_a_download_that_fails_says_where_the_weights_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """And from the right place: the hub entry of this tag names the repository of another one."""
    asked: list[bool] = []

    def offline(source: object, prefer_hf_hub: bool) -> str:
        asked.append(prefer_hf_hub)
        raise OSError("no network")

    monkeypatch.setattr("open_clip.pretrained.download_pretrained", offline)
    with pytest.raises(ModelError, match=r"vit_b_16_plus_240-laion400m_e32-699c4b84\.pt"):
        clip.load(spec.parse("ViT-B-16-plus-240:laion400m_e32"))
    with pytest.raises(ModelError, match="laion400m_e31"):
        clip.load(spec.parse("ViT-B-16-plus-240:laion400m_e31"))
    assert asked == [False, True]


def test_weights_of_another_architecture(small: Path) -> None:
    with pytest.raises(ModelError, match=r"do not fit ViT-B-32:.*of another shape"):
        clip.load(spec.parse(f"ViT-B-32:{small}"))


def test_a_missing_key_is_never_filled_in(small: Path, tmp_path: Path) -> None:
    state = weights.read(spec.parse(f"{SMALL}:{small}"))
    del state["visual.proj"]
    state["stranger"] = torch.zeros(1)
    torch.save(state, tmp_path / "cut.pt")
    with pytest.raises(ModelError, match=r"1 missing \(visual\.proj\); 1 not known \(stranger\)"):
        clip.load(spec.parse(f"{SMALL}:{tmp_path / 'cut.pt'}"))


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path(BOMB),))


BOMB = ""


@pytest.mark.parametrize("content", ["pickle", "text", "empty"])
def test_files_that_are_no_weights(tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle of something else is refused, and nothing in it runs."""
    victim = tmp_path / "executed"
    monkeypatch.setitem(globals(), "BOMB", str(victim))
    path = tmp_path / "weights.pt"
    if content == "pickle":
        path.write_bytes(pickle.dumps({"state_dict": Bomb()}))
    else:
        path.write_text("hello" if content == "text" else "")
    with pytest.raises(ModelError, match="is not a weights file"):
        clip.load(spec.parse(f"{SMALL}:{path}"))
    assert not victim.exists()


def test_a_tag_says_how_its_weights_were_trained(
    encoder: clip.ClipEncoder, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another activation, mean and resizing than the architecture's file says: as open_clip itself loads it."""
    said = {
        "quick_gelu": True,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.5, 1.0),
        "interpolation": "bilinear",
        "resize_mode": "squash",
    }
    monkeypatch.setattr(clip.weights, "find", lambda _: small)
    monkeypatch.setattr(clip.open_clip, "get_pretrained_cfg", lambda *_: said)
    tagged = clip.load(spec.parse(f"{SMALL}:some_tag"))
    assert tagged.digest != encoder.digest
    assert (tagged.input.resize, tagged.input.interpolation) == ("squash", "bilinear")
    pixels = noise(2, tagged.image_size)
    plain = open_clip.create_model(SMALL, pretrained=None, force_quick_gelu=True).eval()
    plain.load_state_dict(torch.load(small, weights_only=True)["state_dict"])
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    values = (values - 0.5) / torch.tensor([0.25, 0.5, 1.0]).view(1, 3, 1, 1)
    with torch.inference_mode():
        expected = plain.encode_image(values).numpy()
    np.testing.assert_allclose(tagged.images(pixels, [])["class"], expected, atol=1e-5)
    with torch.inference_mode():
        lines = plain.encode_text(open_clip.get_tokenizer(SMALL)(["a nut"])).numpy()
    np.testing.assert_allclose(tagged.texts(["a nut"]), lines, atol=1e-5)
    said["resize_mode"] = "longest"
    with pytest.raises(ModelError, match="not supported: longest"):
        clip.load(spec.parse(f"{SMALL}:some_tag"))
