"""Checkpoints that were made elsewhere: a released one through grids and `harness score`, against the oracle."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from support import Bench

from gad.models.inctrl import checkpoint as layout
from gad.models.inctrl.network import InCTRLHeads

pytestmark = pytest.mark.timeout(600)

SMALL = "ViT-S-32-alt"
GRID = """
models: [{{name: inctrl, options: {{checkpoint: '{home}/{{auxiliary}}/{{shots}}/checkpoint.pyth'}}}}]
datasets: ['{home}/target']
auxiliary: textures-auxiliary
shots: [1, 2]
seeds: [0]
backbone: '{backbone}'
"""
MODES = ("RGB", "L", "P", "RGBA")
TESTED = ("nut/test/scratch/002.png",)  # a palette image; the oracle takes seconds


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two released checkpoints with one encoder, and a target with images of every mode and odd sizes."""
    home = tmp_path_factory.mktemp("given")
    torch.manual_seed(0)
    model = open_clip.create_model(SMALL, pretrained=None)
    for shots in (1, 2):
        heads = InCTRLHeads(49, model.visual.output_dim)
        # Statistics that are not the trivial ones of a fresh network.
        for name, value in heads.state_dict().items():
            if "running" in name or name.endswith(("bn2.weight", "bn3.weight")):
                value.uniform_(0.5, 1.5)
        place = home / "textures-auxiliary" / str(shots)
        place.mkdir(parents=True)
        layout.write(place / "checkpoint.pyth", model.state_dict(), heads.state_dict(), f"{SMALL}:x.pt")
    generator = np.random.default_rng(0)
    for place, count in (("train/good", 4), ("test/good", 2), ("test/scratch", 4)):
        (home / "target" / "nut" / place).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (60, 40 + 30 * number, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).convert(MODES[number % 4])
            image.save(home / "target" / "nut" / place / f"{number:03d}.png")
    return home


def released(home: Path, shots: int) -> Path:
    return home / "textures-auxiliary" / str(shots) / "checkpoint.pyth"


@pytest.fixture(scope="module")
def finished(home: Path, tmp_path_factory: pytest.TempPathFactory, cluster: str) -> Bench:
    """The checkpoint carries its encoder: no other file is needed, and nothing is trained or prepared."""
    bench = Bench(tmp_path_factory.mktemp("finished"))
    path = bench.grid(GRID.format(home=home, backbone=f"{SMALL}:{released(home, 1)}"))
    plan = bench.json("plan", "--grid", path)
    assert (plan["train"], plan["new"]) == (0, 2)
    bench.run("submit", "--grid", path, "--address", cluster)
    assert not (bench.data / "textures-auxiliary").exists()
    return bench


@cache
def by_hand(home: Path, shots: int, prompts: tuple[str, ...], query: str) -> dict[str, float]:
    """torchvision's preprocessing, open_clip's model, hooks for the blocks, and the literal oracle."""
    from oracles import inctrl as oracle
    from torchvision import transforms as t

    state = torch.load(released(home, shots), weights_only=True)
    model = open_clip.create_model(SMALL, pretrained=None)
    model.load_state_dict(state, strict=False)
    model.eval()
    prepare = t.Compose(
        [
            t.Resize(224, t.InterpolationMode.BICUBIC),
            t.CenterCrop(224),
            lambda image: image.convert("RGB"),
            t.ToTensor(),
            t.Normalize(open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD),
        ]
    )
    kept: list[torch.Tensor] = []
    depth = len(model.visual.transformer.resblocks)
    for block in (round(depth * part / 12) for part in (7, 9, 11)):
        model.visual.transformer.resblocks[block - 1].register_forward_hook(
            lambda _module, _given, output: kept.append(output[0, 1:])
        )

    def look(name: str) -> tuple[np.ndarray, list[np.ndarray]]:
        kept.clear()
        with torch.inference_mode():
            token = model.encode_image(prepare(Image.open(home / "target" / name))[None])[0]
        return token.double().numpy(), [layer.double().numpy() for layer in kept]

    def text(states: list[str]) -> np.ndarray:
        lines = [template.format(state) for state in states for template in TEMPLATES]
        with torch.inference_mode():
            rows = model.encode_text(open_clip.get_tokenizer(SMALL)(lines)).double().numpy()
        return oracle.class_embedding(list(rows))

    token, layers = look(query)
    shown = [look(prompt) for prompt in prompts]
    heads = {name: value.double().numpy() for name, value in state.items()}
    prior = oracle.text_prior(token, text(NORMAL), text(ANOMALOUS))
    patches = oracle.patch_residual(layers, [each[1] for each in shown])
    return oracle.score(token, [each[0] for each in shown], patches, prior, heads)


NORMAL = [
    *("nut", "flawless nut", "perfect nut", "unblemished nut"),
    *(f"nut without {flaw}" for flaw in ("flaw", "defect", "damage")),
]
ANOMALOUS = ["damaged nut", *(f"nut with {flaw}" for flaw in ("flaw", "defect", "damage"))]
TEMPLATES = [
    text
    for article in ("a", "the")
    for text in (
        *(
            f"a {look} photo of {article} {{}}."
            for look in ("cropped", "close-up", "bright", "dark", "jpeg corrupted", "blurry")
        ),
        f"a photo of {article} {{}}.",
        f"a photo of {article} small {{}}.",
        f"a photo of {article} large {{}}.",
        f"a photo of {article} {{}} for visual inspection.",
        f"a photo of {article} {{}} for anomaly detection.",
    )
]


@pytest.mark.parametrize("shots", [1, 2])
def test_released_scores(finished: Bench, home: Path, shots: int) -> None:
    ((part,),) = finished.query(f"SELECT part_id FROM parts WHERE shots = {shots}")
    found = finished.query(f"SELECT sample_id FROM prompts WHERE part_id = '{part}' ORDER BY position")
    drawn = tuple(sample for (sample,) in found)
    stored = dict(finished.query(f"SELECT sample_id, score FROM scores WHERE part_id = '{part}'"))
    assert len(stored) == 6
    for sample in TESTED:
        assert stored[sample] == pytest.approx(by_hand(home, shots, drawn, sample)["score"], abs=1e-4)
    # The same by itself, from the same file, with the parts that the score is made of.
    prompts = [word for name in drawn for word in ("--prompts", str(home / "target" / name))]
    ended = finished.here(
        *("score", "--model", "inctrl", "--checkpoint", str(released(home, shots)), "--backbone"),
        *(f"{SMALL}:{released(home, shots)}", "--class-name", "nut", *prompts, "--json"),
        str(home / "target/nut/test"),
    )
    for row in map(json.loads, ended.stdout.splitlines()):
        name = str(Path(row["image"]).relative_to(home / "target"))
        assert row["score"] == stored[name]
        for key in ("image_score", "patch_score", "text_score") if name in TESTED else ():
            assert row[key] == pytest.approx(by_hand(home, shots, drawn, name)[key], abs=1e-4)


def test_what_does_not_fit_is_refused(home: Path, tmp_path: Path, cluster: str) -> None:
    bench = Bench(tmp_path)
    gone = bench.grid(
        GRID.format(home=tmp_path, backbone=f"{SMALL}:{released(home, 1)}").replace(
            f"datasets: ['{tmp_path}/target']", f"datasets: ['{home}/target']"
        )
    )
    said = bench.here("submit", "--grid", gone, code=1).stderr
    assert f"{tmp_path}/textures-auxiliary/1/checkpoint.pyth of inctrl is not there" in said
    assert "Nothing was started" in said
    torch.manual_seed(1)
    torch.save(open_clip.create_model(SMALL, pretrained=None).state_dict(), tmp_path / "other.pt")
    template = f"checkpoint: '{home}/{{auxiliary}}/{{shots}}/checkpoint.pyth'"
    both = bench.grid(
        GRID.format(home=home, backbone=f"{SMALL}:{tmp_path / 'other.pt'}").replace(
            "models: [",
            f"models: [{{name: inctrl, options: {{{template}, components: P, "
            f"backbone: '{SMALL}:{released(home, 1)}'}}}}, ",
        )
    )
    bench.run("submit", "--grid", both, "--address", cluster, code=3)
    errors = {job["options"]["components"]: job["error"] for job in bench.json("results", "--by", "job")}
    assert "was trained on another encoder than" in errors["TPI"]
    assert "a released checkpoint is InCTRL with all its parts" in errors["P"]
    alone = bench.here(
        *("score", "--model", "inctrl", "--checkpoint", str(released(home, 1)), "--prompts"),
        *(str(home / "target/nut/train"), "--backbone", f"{SMALL}:{tmp_path / 'other.pt'}"),
        str(home / "target/nut/test"),
        code=1,
    )
    assert "was trained on another encoder than" in alone.stderr
    word = bench.grid(
        GRID.format(home=home, backbone=f"{SMALL}:{released(home, 1)}").replace("{shots}", "{k}")
    )
    reasons = json.loads(bench.here("plan", "--grid", word, "--json").stdout)["reasons"]
    assert any("'k' is none of auxiliary, shots, training_seed" in row["reason"] for row in reasons)
