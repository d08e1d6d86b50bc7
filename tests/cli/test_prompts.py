"""Prompt files: exported, edited, named by grids; and released tensors traced to the images they came from."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support import Bench

from gad.harness.errors import DataError
from gad.harness.executor import released_prompts

GRID = "models: [pixel-knn]\ndatasets: [./parts]\nshots: [1, 2]\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    generator = np.random.default_rng(0)
    for category in ("bolt", "nut"):
        for place, count in (("train/good", 5), ("test/good", 2), ("test/scratch", 2)):
            (bench.folder / "parts" / category / place).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (9, 7 + number, 3), dtype=np.uint8)
                image = Image.fromarray(pixels).resize((300 + 20 * number, 260))
                image.save(bench.folder / "parts" / category / place / f"{number:03d}.png")
    return bench


def drawn(bench: Bench) -> dict[tuple[str, int, int], list[str]]:
    rows = bench.query(
        "SELECT p.category, p.shots, p.seed, q.sample_id FROM prompts q JOIN parts p USING (part_id) "
        "ORDER BY p.category, p.shots, p.seed, q.position"
    )
    found: dict[tuple[str, int, int], list[str]] = {}
    for category, shots, seed, sample in rows:
        found.setdefault((category, shots, seed), []).append(sample)
    return found


def test_what_is_exported_is_what_grids_draw(bench: Bench, cluster: str) -> None:
    bench.run("submit", "--grid", bench.grid(GRID + "seeds: [0, 7]\n"), "--address", cluster)
    arguments = ("--dataset", "./parts", "--shots", "2", "--seed", "0", "--seed", "7")
    exported = json.loads(bench.here("prompts", "export", *arguments).stdout)
    found = {
        (category, shots, each["seed"]): [entry["id"] for entry in entries][:shots]
        for each in exported["sets"]
        for category, entries in each["prompts"].items()
        for shots in (1, 2)
    }
    assert found == drawn(bench)
    # Named by a grid, the same prompts give the same scores: the parts are there already.
    (bench.folder / "set.json").write_text(json.dumps(exported))
    again = bench.run(
        "submit", "--grid", bench.grid(GRID + "prompts: {./parts: set.json}\n"), "--address", cluster
    )
    assert "nothing to do" in again.stderr
    # But they are another column: the rule that made them is another.
    assert len({row["column_key"] for row in bench.json("results", "--by", "job")}) == 2


def edited(bench: Bench, change: Any, shots: int = 2) -> str:
    """A grid over an exported prompt file that was changed by hand."""
    text = bench.here(
        "prompts", "export", "--dataset", "./parts", "--shots", str(shots), "--seed", "0"
    ).stdout
    exported = json.loads(text)
    change(exported["sets"][0]["prompts"]["nut"])
    (bench.folder / "set.json").write_text(json.dumps(exported))
    return bench.grid(GRID + "prompts: {./parts: set.json}\n")


def test_an_edited_set_is_used(bench: Bench, cluster: str) -> None:
    bench.run("submit", "--grid", edited(bench, lambda prompts: prompts.reverse()), "--address", cluster)
    exported = json.loads((bench.folder / "set.json").read_text())["sets"][0]["prompts"]
    assert drawn(bench) == {
        (category, shots, 0): [entry["id"] for entry in entries][:shots]
        for category, entries in exported.items()
        for shots in (1, 2)
    }
    untouched = json.loads(
        bench.here("prompts", "export", "--dataset", "./parts", "--shots", "2", "--seed", "0").stdout
    )["sets"][0]["prompts"]
    assert exported["nut"] == untouched["nut"][::-1] != untouched["nut"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda p: p[0].update(id="nut/train/good/999.png"),
            "nut/train/good/999.png is no normal train image",
        ),
        (lambda p: p[0].update(id="nut/test/good/000.png"), "nut/test/good/000.png is no normal train image"),
        (lambda p: p[0].update(digest="0" * 64), "is another image than when the prompts were written"),
        (lambda p: p.append(dict(p[0])), "is there twice in category nut"),
        (lambda p: p[0].update(path="x"), "not a prompt file"),
    ],
)
def test_a_set_that_does_not_fit_is_refused(bench: Bench, change: Any, said: str) -> None:
    ended = bench.here("plan", "--grid", edited(bench, change), code=None)
    assert ended.returncode in (1, 2)
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_set_that_is_too_small_skips_those_jobs(bench: Bench) -> None:
    plan = bench.json("plan", "--grid", edited(bench, lambda prompts: prompts.pop()))
    assert (plan["jobs"], plan["invalid_jobs"]) == (2, 1)
    assert "category nut of parts has 1 imported prompts; K = 2" in plan["reasons"][0]["reason"]


def test_wrong_grids(bench: Bench) -> None:
    wrong = GRID + "prompts: {./parts: gone.json, textures: set.json}\n"
    said = bench.here("plan", "--grid", bench.grid(wrong), code=2).stderr
    assert "there is no file" in said
    assert "'textures' is none of the grid's datasets" in said
    assert "seeds: is required" in bench.here("plan", "--grid", bench.grid(GRID), code=2).stderr


def tensors(bench: Bench, samples: list[str]) -> list[torch.Tensor]:
    """As the authors made theirs: torchvision's transforms for CLIP."""
    from torchvision import transforms as t

    prepare = t.Compose(
        [
            t.Resize(240, t.InterpolationMode.BICUBIC),
            t.CenterCrop(240),
            t.ToTensor(),
            t.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        ]
    )
    return [prepare(Image.open(bench.folder / "parts" / sample)) for sample in samples]


NUTS = ["nut/train/good/003.png", "nut/train/good/001.png"]
BOLTS = ["bolt/train/good/000.png", "bolt/train/good/004.png"]


def released(bench: Bench, nuts: list[torch.Tensor]) -> tuple[str, ...]:
    folder = bench.folder / "released"
    folder.mkdir(exist_ok=True)
    torch.save(nuts, folder / "nut.pt")
    torch.save(tensors(bench, BOLTS), folder / "bolt.pt")
    return ("prompts", "import", "--dataset", "./parts", "--shots", "2", str(folder), "--out", "set.json")


def test_released_tensors_are_traced_to_their_images(bench: Bench, cluster: str) -> None:
    whole = bench.folder / "parts/nut/train/good"
    (whole / "009.png").write_bytes((whole / "003.png").read_bytes())
    (bench.folder / "parts/nut/test/good/008.png").write_bytes((whole / "001.png").read_bytes())
    said = bench.here(*released(bench, tensors(bench, NUTS))).stderr
    for line in (
        "nut: prompt 1 is nut/train/good/003.png; the train image nut/train/good/009.png looks the same\n",
        "nut: prompt 2 is nut/train/good/001.png; the test image nut/test/good/008.png looks the same, a leak\n",
    ):
        assert f"warning: {line}" in said
    bench.run("submit", "--grid", bench.grid(GRID + "prompts: {./parts: set.json}\n"), "--address", cluster)
    assert drawn(bench) == {
        ("bolt", 1, 0): BOLTS[:1],
        ("bolt", 2, 0): BOLTS,
        ("nut", 1, 0): NUTS[:1],
        ("nut", 2, 0): NUTS,
    }


def test_a_leak_and_strange_tensors_are_refused(bench: Bench) -> None:
    leak = bench.here(*released(bench, tensors(bench, [NUTS[0], "nut/test/good/001.png"])), code=1)
    assert "prompt 2 is the test image nut/test/good/001.png" in leak.stderr
    strange = bench.here(*released(bench, [torch.zeros(3, 240, 240), *tensors(bench, NUTS[:1])]), code=1)
    assert "prompt 1 is none of the 9 images of this category" in strange.stderr
    twice = bench.here(*released(bench, tensors(bench, NUTS[:1] * 2)), code=1)
    assert "prompt 2 is nut/train/good/003.png, and so is prompt 1" in twice.stderr


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (lambda good: good[:1], "holds 1 prompts, and K = 2"),
        (torch.stack, "is not a list of tensors 3x240x240: it holds tensor 2x3x240x240"),
        (lambda good: [good[0], 1], "it holds a list of tensor 3x240x240, int"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, held: Any, said: str) -> None:
    torch.save(held([torch.zeros(3, 240, 240)] * 2), tmp_path / "nut.pt")
    with pytest.raises(DataError, match=said):
        released_prompts._read(tmp_path / "nut.pt", 2)
    with pytest.raises(DataError, match=r"there is no .*bolt.pt; the folder holds nut.pt"):
        released_prompts._read(tmp_path / "bolt.pt", 2)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_nothing_in_a_released_file_is_executed(bench: Bench, tmp_path: Path) -> None:
    arguments = released(bench, tensors(bench, NUTS))
    for write in (lambda o, p: torch.save(o, p), lambda o, p: p.write_bytes(pickle.dumps(o))):
        write([Bomb(tmp_path / "boom")], bench.folder / "released" / "nut.pt")
        ended = bench.here(*arguments, code=1)
        assert "nut.pt is not a list of tensors" in ended.stderr
        assert not (tmp_path / "boom").exists()
