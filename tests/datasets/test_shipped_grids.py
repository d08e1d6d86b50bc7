"""The grids of the paper and its ablation: planned and refused where no data and no weights are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support import Bench

from gad.harness.gridfile import shipped

ROWS = (
    "mvtec",
    "visa",
    "aitex",
    "elpv",
    "sdd",
    "brainmri",
    "headct",
    "mnist-one-vs-all",
    "mnist-multi-class",
    "cifar10-one-vs-all",
    "cifar10-multi-class",
)
CLIP = "ViT-B-16-plus-240:laion400m_e32"
RESNET = "timm:wide_resnet50_2.tv_in1k"
METHODS = {"spade", "padim", "patchcore", "coop", "winclip", "inctrl", "clip-zero-shot", "anomalydino"}
METHODS |= {"pixel-knn", "pixel-gaussian", "regad"}
START = "timm:resnet18.tv_in1k"  # where RegAD's training starts
ENCODERS = {"paper": [CLIP, START, RESNET], "ablation": [CLIP]}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty folder, and a home in which no weights are cached."""
    made = Bench(tmp_path / "here").alone()
    for variable in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        made.environment.pop(variable, None)
    made.environment["HOME"] = str(tmp_path / "home")
    return made


def planned(bench: Bench, grid: str) -> Any:
    return json.loads(bench.here("plan", "--grid", grid, "--json").stdout)


# 54 categories in all (15 + 12 + 5 + 2 * 11), 3 K, 3 seeds. Trainings, on MVTec AD and on VisA: each trained method
# for 3 K, but one of RegAD for every K.
@pytest.mark.parametrize(
    ("grid", "methods", "trainings"),
    [("paper", 7, 2 * (2 * 3 + 1)), ("ablation", 9, 2 * 9 * 3)],
)
def test_jobs_and_parts_are_counted_from_the_cards(
    bench: Bench, grid: str, methods: int, trainings: int
) -> None:
    plan = planned(bench, grid)
    assert plan["jobs"] == methods * 11 * 3 * 3
    assert plan["parts"] == methods * 54 * 3 * 3
    assert (plan["done"], plan["new"], plan["invalid"]) == (0, 0, plan["parts"])
    assert plan["train"] == trainings
    assert {reason["state"] for reason in plan["reasons"]} == {"missing"}
    # Test images, and the up to 3 * 8 prompts of each of 54 categories; methods share encoders, and the categories
    # of one-vs-all their test images. RegAD's are decoded in a way of its own.
    tests = (467 + 1258) + (962 + 1200) + (564 + 183) + (377 + 715) + (286 + 54) + (25 + 155) + (25 + 100)
    assert plan["encode_images"] == len(ENCODERS[grid]) * (tests + 4 * 10_000 + 54 * 24)


def test_the_mnist_grid_has_both_protocols_and_a_limit(bench: Bench) -> None:
    """Four methods, three of them on `tiny`, which needs no weights; 10 + 1 categories, 3 K, 3 seeds."""
    plan = planned(bench, "mnist")
    assert (plan["jobs"], plan["parts"], plan["train"]) == (4 * 2 * 3 * 3, 4 * 11 * 3 * 3, 3)
    assert [lack["name"] for lack in plan["missing"]] == ["mnist-one-vs-all", "mnist-multi-class"]
    assert "limits: {test_images: 3000}" in shipped()["mnist"].read_text()


def test_the_methods_grid_has_every_method_and_names_its_weights(bench: Bench) -> None:
    """Weights are drawn into files beside it, and only the medical datasets have to be prepared."""
    plan = bench.json("plan", "--grid", "methods")
    built_in = {row["name"] for row in bench.json("models", "list")}
    assert plan["jobs"] == len(METHODS) * 5 * 3 * 3
    assert built_in == METHODS
    assert [lack["name"] for lack in plan["missing"] if lack["kind"] == "dataset"] == ["headct", "brainmri"]
    drawn = ("resnet18.safetensors", "vit_small_patch14_dinov2.safetensors")
    text = shipped()["methods"].read_text()
    assert all(f"harness models generate timm:{Path(name).stem} generated/{name}" in text for name in drawn)


@pytest.mark.parametrize("grid", ["paper", "ablation"])
def test_what_is_missing_is_named_once_with_what_to_do(bench: Bench, grid: str) -> None:
    missing = planned(bench, grid)["missing"]
    encoders = ENCODERS[grid]
    assert [lack["name"] for lack in missing] == [*ROWS, *encoders]
    assert [lack["kind"] for lack in missing] == ["dataset"] * 11 + ["weights"] * len(encoders)
    for lack in missing[:11]:
        assert f"harness data prepare {lack['name']} --raw DIR" in lack["text"]
        assert "It comes from http" in lack["text"]
    assert all("not in the local cache" in lack["text"] for lack in missing[11:])
    assert "vit_b_16_plus_240-laion400m_e32-699c4b84.pt" in missing[11]["text"]
    if grid == "paper":
        assert "hf.co/timm/wide_resnet50_2.tv_in1k" in missing[-1]["text"]
    shown = bench.here("plan", "--grid", grid).stdout
    for name in ROWS:
        assert shown.count(f"dataset '{name}' is not prepared") == 1
    assert shown.count("weights of") == len(encoders)


def test_who_waits_for_what(bench: Bench) -> None:
    """CoOp, InCTRL and RegAD are trained on MVTec AD, so nearly all of their parts wait for it."""
    parts = {lack["name"]: lack["parts"] for lack in planned(bench, "paper")["missing"]}
    assert parts["elpv"] == 7 * 9
    assert parts["mvtec"] == 7 * 15 * 9 + 3 * (54 - 15) * 9
    assert parts["visa"] == 7 * 12 * 9 + 3 * 15 * 9
    assert parts[CLIP] == parts[RESNET] == 3 * 54 * 9
    assert parts[START] == 54 * 9


@pytest.mark.parametrize("grid", ["paper", "ablation"])
def test_submit_refuses_before_anything_starts(bench: Bench, grid: str) -> None:
    bad = bench.here("submit", "--grid", grid, code=1)
    assert bad.stderr.count("is not prepared") == 11
    assert bad.stderr.count("weights of") == len(ENCODERS[grid])
    assert "Nothing was started" in bad.stderr
    assert not list(bench.results.glob("runs/*"))
    assert not bench.data.exists()


def test_weights_in_a_cache_are_not_missing(bench: Bench, tmp_path: Path) -> None:
    cached = tmp_path / "home/.cache/clip/vit_b_16_plus_240-laion400m_e32-699c4b84.pt"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"weights")
    assert [lack["name"] for lack in planned(bench, "ablation")["missing"]] == [*ROWS]


def test_missing_weights_alone_are_fetched_or_refused(bench: Bench) -> None:
    """Without a network nothing starts; nothing is scored with weights that are not there."""
    bench.environment["https_proxy"] = "http://127.0.0.1:9"  # nobody listens there
    grid = bench.grid(
        f"models: [patchcore]\ndatasets: [digits-multi-class]\nshots: [2]\nseeds: [0]\nbackbone: {CLIP}\n"
    )
    plan = planned(bench, grid)
    assert (plan["new"], [lack["name"] for lack in plan["missing"]]) == (1, [CLIP])
    bad = bench.here("submit", "--grid", grid, code=1)
    assert "could not be fetched" in bad.stderr
    assert "Nothing was started" in bad.stderr
    assert not list(bench.results.glob("runs/*"))


@pytest.mark.alone
def test_plans_are_quick(bench: Bench) -> None:
    """Processor time, best of some: the machine may be busy with something else."""
    spent = []
    for _ in range(5):
        before = os.times()
        bench.run("plan", "--grid", "ablation", "--json")
        after = os.times()
        spent.append(sum(after[2:4]) - sum(before[2:4]))  # of children
        if spent[-1] < 1:
            break
    assert min(spent) < 1
