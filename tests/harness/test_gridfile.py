"""Reading right grid files."""

from __future__ import annotations

from pathlib import Path

import pytest
from gridtexts import DEFAULTS, read, text


def test_every_key(tmp_path: Path) -> None:
    (tmp_path / "my_parts").mkdir()
    grid = read(
        """
name: all of it
models:
  - pixel-knn
  - {name: pixel-gaussian, options: {size: 8, rate: 1e-2, layers: [1, 2]}}
datasets: [digits-one-vs-all, ./my_parts]
shots: [2, 4, 8]
seeds: [0, 1]
training_seeds: [8, 9]
auxiliary: {default: mvtec, mvtec: visa, ./my_parts: textures-auxiliary}
backbone: "ViT-B-16-plus-240:laion400m_e32"
precision: bf16
resize: pad
limits: {part_seconds: 600, part_memory_gb: 4, part_output_mb: 0.5, training_seconds: 900, test_images: 200}
""",
        tmp_path,
    )
    parts = str(tmp_path / "my_parts")
    assert grid.name == "all of it"
    assert [choice.name for choice in grid.models] == ["pixel-knn", "pixel-gaussian"]
    assert grid.models[0].options == DEFAULTS
    assert grid.models[1].options == DEFAULTS | {"size": 8, "rate": 0.01, "layers": [1, 2]}
    assert grid.datasets == ("digits-one-vs-all", parts)
    assert (grid.shots, grid.seeds, grid.training_seeds) == ((2, 4, 8), (0, 1), (8, 9))
    assert grid.auxiliary == {"default": "mvtec", "mvtec": "visa", parts: "textures-auxiliary"}
    assert grid.backbone == "ViT-B-16-plus-240:laion400m_e32"
    assert grid.precision == "bf16"
    assert grid.resize == "pad"
    assert grid.limits.model_dump() == {
        "part_seconds": 600,
        "part_memory_gb": 4,
        "part_output_mb": 0.5,
        "training_seconds": 900,
        "test_images": 200,
    }


def test_defaults_and_single_values() -> None:
    grid = read("models: pixel-knn\ndatasets: textures\nshots: 2\nseeds: 0\nauxiliary: mvtec\n")
    assert grid.name == "grid"
    assert (grid.datasets, grid.shots, grid.seeds, grid.training_seeds) == (("textures",), (2,), (0,), (10,))
    assert grid.auxiliary == {"default": "mvtec"}
    assert grid.precision == "fp32"
    assert grid.resize == "crop"
    assert grid.limits.part_seconds == 3600


@pytest.mark.parametrize(
    ("source", "key", "expected"),
    [
        (text(shots="&s [2, 4]", seeds="*s"), "seeds", (2, 4)),
        (text(name="2024-01-01"), "name", "2024-01-01"),
        (text(name="!!str 12"), "name", "12"),
        ("\ufeff" + text(), "name", "grid"),
        (text().replace("\n", "\r\n"), "shots", (2,)),
        ("---\n" + text() + "...\n", "shots", (2,)),
        (text(models="[clip-text]", shots="0"), "shots", (0,)),
        (text(limits="{test_images: null}"), "limits", read(text()).limits),
        (text(auxiliary="{default: mvtec, mvtec: visa}", datasets="mvtec"), "datasets", ("mvtec",)),
        (text(seeds="[1_000]"), "seeds", (1000,)),
        (text(name="größe ü"), "name", "größe ü"),
    ],
)
def test_right(source: str, key: str, expected: object) -> None:
    assert getattr(read(source), key) == expected


def test_scientific_notation_is_a_number_where_one_belongs() -> None:
    """YAML 1.1 takes 1e-3 for text, and PyYAML writes the text "1e-3" without quotes."""
    options = read(text(models="{name: pixel-knn, options: {rate: 1e-3, note: 1e-3}}")).models[0].options
    assert (options["rate"], options["note"]) == (0.001, "1e-3")
    assert read(text(limits="{part_seconds: 6E2}", name="1e3")).limits.part_seconds == 600


def test_same_model_with_other_options() -> None:
    grid = read(text(models="[pixel-knn, {name: pixel-knn, options: {size: 8}}]"))
    assert [choice.options["size"] for choice in grid.models] == [16, 8]
