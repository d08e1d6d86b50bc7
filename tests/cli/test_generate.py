"""Weights that are drawn: the same from the same seed, marked, and never written over anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from gad.harness.cli.generating import generate
from gad.harness.errors import ModelError, UsageError
from gad.models.backbones.describe import generated
from gad.models.backbones.spec import placed


def test_generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        generate("timm:test_resnet", Path(f"drawn/{name}.safetensors"), 7)
    assert Path("drawn/a.safetensors").read_bytes() == Path("drawn/b.safetensors").read_bytes()
    assert generated("timm:test_resnet:drawn/a.safetensors") == "timm:test_resnet, seed 7"
    with pytest.raises(UsageError, match="is there already"):
        generate("timm:test_resnet", Path("drawn/a.safetensors"))
    with pytest.raises(ModelError, match=r"only a \.safetensors file can be"):
        generate("timm:test_resnet", Path("drawn/a.pt"))
    with pytest.raises(ModelError, match="Did you mean 'test_resnet'"):
        generate("timm:tset_resnet", Path("c.safetensors"))


def test_a_file_is_found_from_the_grids_folder(tmp_path: Path) -> None:
    assert placed("timm:resnet18@64:drawn/a.pt", tmp_path) == f"timm:resnet18@64:{tmp_path}/drawn/a.pt"
    assert placed("ViT-B-16:../a.pt", tmp_path / "grids") == f"ViT-B-16:{tmp_path}/a.pt"
    for name in (
        "tiny",
        "timm:resnet18",
        "ViT-B-16-plus-240:laion400m_e32",
        "nonsense",
        f"timm:x:{tmp_path}/a.pt",
    ):
        assert placed(name, tmp_path) == name
