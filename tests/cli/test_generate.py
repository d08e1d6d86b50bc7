"""Weights that are drawn: the same from the same seed, marked, and never written over anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gad.harness.cli.generating import generate
from gad.harness.errors import ModelError, UsageError
from gad.models.backbones.describe import BY_NUMBERS, generated
from gad.models.backbones.generated import write
from gad.models.backbones.mark import values
from gad.models.backbones.spec import placed


def test_generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        generate("timm:test_resnet", Path(f"drawn/{name}.safetensors"), 7)
    assert Path("drawn/a.safetensors").read_bytes() == Path("drawn/b.safetensors").read_bytes()
    assert generated("timm:test_resnet:drawn/a.safetensors") == "timm:test_resnet, seed 7"
    with pytest.raises(UsageError, match="is there already"):
        generate("timm:test_resnet", Path("drawn/a.safetensors"))
    with pytest.raises(ModelError, match=r"only a \.safetensors file can"):
        generate("timm:test_resnet", Path("drawn/a.pt"))
    with pytest.raises(ModelError, match="Did you mean 'test_resnet'"):
        generate("timm:tset_resnet", Path("c.safetensors"))


def pickled(state: dict[str, torch.Tensor], path: Path) -> None:
    torch.save(state, path)


def in_an_old_layout(state: dict[str, torch.Tensor], path: Path) -> None:
    torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=False)


def without_metadata(state: dict[str, torch.Tensor], path: Path) -> None:
    save_file(state, path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    ("convert", "suffix"),
    [(pickled, ".pt"), (in_an_old_layout, ".pth"), (without_metadata, ".safetensors")],
)
def test_the_mark_survives_conversion(
    convert: Callable[..., None], suffix: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    """Where nobody can say it in the file, the numbers do; weights that were not drawn here do not."""
    write("timm:test_resnet", tmp_path / "drawn.safetensors", 3)
    state = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in load_file(tmp_path / "drawn.safetensors").items()
    }
    other = tmp_path / f"other{suffix}"
    convert(state, other)
    assert generated(f"timm:test_resnet:{other}") == BY_NUMBERS
    trained = {name: value + 1e-4 if value.is_floating_point() else value for name, value in state.items()}
    convert(trained, other.with_name(f"trained{suffix}"))
    assert generated(f"timm:test_resnet:{tmp_path}/trained{suffix}") == ""


def test_only_matrices_are_marked(tmp_path: Path) -> None:
    """A variance of a wide network must not become negative."""
    write("timm:resnet18", tmp_path / "drawn.safetensors")
    state = load_file(tmp_path / "drawn.safetensors")
    marked = {
        name for name, value in state.items() if torch.equal(value.flatten()[:32], torch.from_numpy(values()))
    }
    assert marked == {name for name, value in state.items() if value.dim() > 1}
    assert all((value >= 0).all() for name, value in state.items() if name.endswith("running_var"))


def test_the_mark_is_small_and_exact_in_every_precision() -> None:
    mark = torch.from_numpy(values())
    assert len(mark) == 32
    assert mark.abs().max() <= 1 / 64
    assert all(torch.equal(mark.to(dtype).float(), mark) for dtype in (torch.float16, torch.bfloat16))


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    (tmp_path / "folder.pt").mkdir()
    for name in ("empty.pt", "folder.pt", "nothing.pt"):
        assert generated(f"timm:resnet18:{tmp_path / name}") == ""


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
