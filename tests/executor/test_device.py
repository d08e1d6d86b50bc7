"""GPUs are used where the cluster has them, and never replaced by CPUs in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support import Bench

from gad.harness.executor.driver import gpu_share
from gad.harness.nouns import FeatureInput, ImageInput

GRID = (
    "models: {models}\ndatasets: textures\nshots: 2\nseeds: 0\nbackbone: tiny\nlimits: {{test_images: 4}}\n"
)


def test_only_encoders_ask_for_a_gpu() -> None:
    assert gpu_share(FeatureInput(backbone="tiny"), "cuda") == 0.25
    assert gpu_share(FeatureInput(backbone="tiny"), "cpu") == 0
    assert gpu_share(ImageInput(size=8), "cuda") == 0


def test_a_cluster_without_gpus(bench: Bench, submit: Callable[..., str]) -> None:
    grid = GRID.format(models="patchcore")
    said = submit(grid, "--device", "cuda", code=1)
    assert "no node of the cluster has a GPU" in said
    assert "Traceback" not in said
    submit(grid, "--device", "auto")
    assert bench.query("SELECT DISTINCT value FROM environment WHERE key = 'device'") == [("cpu",)]


def test_a_gpu_that_torch_does_not_see(bench: Bench, submit: Callable[..., str], nodes: Any) -> None:
    """Ray is told of a GPU that is not there: both auto and cuda refuse, cpu runs; pixels need none."""
    node = nodes.add_node(num_cpus=1, num_gpus=1, include_dashboard=False, object_store_memory=80_000_000)
    try:
        nodes.wait_for_nodes()
        said = submit(GRID.format(models="patchcore"), code=1)
        assert "offers 1 GPU(s), but torch sees none there" in said
        assert "--device cpu" in said
        submit(GRID.format(models="pixel-knn"))
    finally:
        nodes.remove_node(node)
