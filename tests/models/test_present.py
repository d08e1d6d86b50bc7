"""Whether weights are on this machine is told without loading anything, and as open_clip would find it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gad.models.backbones import present


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_table_is_open_clips() -> None:
    import open_clip

    for name, tag in open_clip.list_pretrained():
        entry = open_clip.get_pretrained_cfg(name, tag)
        plain = name.removesuffix("-quickgelu")
        assert present._table()[plain, tag] == (entry.get("url", ""), entry.get("hf_hub", "")), (name, tag)


def put(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")


@pytest.mark.parametrize(
    ("backbone", "file", "source"),
    [
        (
            "ViT-B-16-plus-240:laion400m_e32",
            ".cache/clip/vit_b_16_plus_240-laion400m_e32-699c4b84.pt",
            "https://github.com/",
        ),
        (
            "ViT-B-16-plus-240:laion400m_e31",
            ".cache/huggingface/hub/models--timm--vit_base_patch16_plus_clip_240.laion400m_e31/snapshots/1/"
            "open_clip_model.safetensors",
            "hf.co/timm/vit_base_patch16_plus_clip_240.laion400m_e31",
        ),
        (
            "ViT-B-32:laion2b_s34b_b79k",
            ".cache/huggingface/hub/models--laion--CLIP-ViT-B-32-laion2B-s34B-b79K/snapshots/1/"
            "open_clip_pytorch_model.bin",
            "hf.co/laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        ),
        (
            "timm:wide_resnet50_2",
            ".cache/huggingface/hub/models--timm--wide_resnet50_2.racm_in1k/snapshots/1/model.safetensors",
            "hf.co/timm/wide_resnet50_2",
        ),
    ],
)
def test_absent_then_present(home: Path, backbone: str, file: str, source: str) -> None:
    assert present.lacking(backbone).startswith(source)
    put(home / file)
    assert present.lacking(backbone) == ""


def test_the_hubs_cache_may_be_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = (
        "models--timm--vit_base_patch16_plus_clip_240.laion400m_e31/snapshots/1/open_clip_model.safetensors"
    )
    put(home / "other" / file)
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "other"))
    assert present.lacking("ViT-B-16-plus-240:laion400m_e31") == ""


def test_what_needs_no_cache() -> None:
    assert present.lacking("tiny") == ""
    assert present.lacking("ViT-B-32:/somewhere/weights.pt") == ""
    assert present.lacking("ViT-B-32:no-such-tag") == ""  # not for this to say


def test_it_is_light() -> None:
    code = (
        "import sys; from gad.models.backbones import present; present.lacking('ViT-B-16:openai'); "
        "print([m for m in ('torch', 'open_clip', 'timm', 'huggingface_hub', 'numpy') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
