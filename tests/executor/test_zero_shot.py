"""K = 0: the text prior alone, for those that have one; an error in the plan for the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import pytest
from oracles.inctrl import text_prior
from oracles.inctrl_images import Reference
from parity import write_checkpoint
from PIL import Image
from safetensors.torch import load_file
from support import Bench

from gad.harness.cli import looking
from gad.models.backbones.weights import TINY
from gad.models.inctrl import heads_file
from gad.models.inctrl.info import INFO, Options

GRID = """
models:
  - winclip
  - {{name: inctrl, options: {{components: T, checkpoint: '{heads}'}}}}
datasets: ['{target}']
shots: [0, 2]
seeds: [0]
backbone: tiny
"""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for place, count in (("train/good", 2), ("test/good", 2), ("test/scratch", 2)):
        (tmp_path / "target" / "nut" / place).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (9, 9 + number, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).resize((150, 170))
            image.save(tmp_path / "target" / "nut" / place / f"{number}.png")
    return tmp_path / "target"


def test_the_text_prior_alone(
    bench: Bench,
    submit: Callable[..., str],
    target: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    heads = tmp_path / "T.safetensors"
    header = heads_file.Header(
        options=Options(components="T"), auxiliary="none", shots=0, training_seed=10, encoder=""
    )
    heads_file.save(heads, {}, (64, 128, 3, 128), header)
    submit(GRID.format(heads=heads, target=target))
    plan = bench.json("plan", "--grid", bench.grid(GRID.format(heads=heads, target=target)))
    assert (plan["jobs"], plan["zero_shot_jobs"]) == (4, 2)

    write_checkpoint(tmp_path / "c.pyth", load_file(TINY / "tiny.safetensors"), "tiny")
    config = json.loads((TINY / "config.json").read_text())
    reference = Reference(tmp_path / "c.pyth", config, open_clip.SimpleTokenizer(context_length=77))
    expected = {
        str(path.relative_to(target)): text_prior(reference.look(path)[0], *reference.text("nut"))
        for path in sorted((target / "nut/test").rglob("*.png"))
    }
    found: dict[tuple[str, int], dict[str, float]] = {}
    for model, shots, sample, score in bench.query(
        "SELECT model, shots, sample_id, score FROM scores JOIN parts USING (part_id)"
    ):
        found.setdefault((model, shots), {})[sample] = score
    for of in (("winclip", 0), ("inctrl", 0), ("inctrl", 2)):
        assert found[of] == pytest.approx(expected, abs=1e-5), of
    assert found["winclip", 2] != pytest.approx(expected, abs=1e-3)

    assert {row["shots"]: row["zero_shot"] for row in bench.json("results")} == {0: True, 2: False}
    capsys.readouterr()
    for layout in (None, looking.Layout.costs):
        looking.results(bench.results, layout=layout)
        assert capsys.readouterr().out.count("0 (zero-shot)") == 2, layout
    # The same by itself; no prompts are needed.
    alone = bench.here(
        *("score", "--model", "winclip", "--backbone", "tiny", "--class-name", "nut", "--shots", "0"),
        *("--json", str(target / "nut/test")),
    )
    for row in map(json.loads, alone.stdout.splitlines()):
        assert row["score"] == row["text_score"]
        assert row["score"] == found["winclip", 0][str(Path(row["image"]).relative_to(target))]


def test_others_need_prompts(bench: Bench, target: Path) -> None:
    for models in ("[patchcore]", "[winclip, inctrl]", "[{name: inctrl, options: {components: TI}}]"):
        grid = bench.grid(
            f"models: {models}\ndatasets: ['{target}']\nshots: [0]\nseeds: [0]\nbackbone: tiny\n"
            "auxiliary: textures-auxiliary\n"
        )
        said = bench.run("plan", "--grid", grid, code=2).stderr
        needy = "patchcore" if "patchcore" in models else "inctrl"
        assert f"0 is too few: {needy} needs at least one normal image" in said
    said = bench.run(
        *("score", "--model", "patchcore", "--backbone", "tiny", str(target / "nut/test")), code=2
    ).stderr
    assert "patchcore needs at least 1 normal image(s); K = 0 Name some with --prompts." in " ".join(
        said.split()
    )


def test_the_least_k_depends_on_the_components() -> None:
    least = {kept: INFO.least_shots({"components": kept}) for kept in ("T", "P", "I", "TP", "TPI")}
    assert least == {"T": 0, "P": 1, "I": 1, "TP": 1, "TPI": 1}
    assert INFO.least_shots(Options(components="T")) == 0
