"""Feature methods end to end: each image meets its encoder once, and the same bits however it is run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from support import Bench

from gad.harness.store import read

pytestmark = pytest.mark.timeout(600)

SMALL = "ViT-S-32-alt"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated weights: these tests are about the path that features take, not about detection."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.pt"
    torch.save(open_clip.create_model(SMALL, pretrained=None).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def parts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset in MVTec layout: two categories, 6 train and 6 test images each, of odd sizes."""
    folder = tmp_path_factory.mktemp("raw") / "parts"
    generator = np.random.default_rng(0)
    for category in ("nut", "bolt"):
        for place, count in (("train/good", 6), ("test/good", 3), ("test/scratch", 3)):
            (folder / category / place).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (40, 30 + 5 * number, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / category / place / f"{number:03d}.png")
    return folder


def grid(
    folder: Path, weights: Path, *, shots: str = "[1, 2, 4]", models: str = "[patchcore, winclip]"
) -> str:
    return (
        f"models: {models}\ndatasets: ['{folder}']\nshots: {shots}\nseeds: [0, 1]\n"
        f"backbone: '{SMALL}:{weights}'\n"
    )


def encoded(bench: Bench) -> int:
    ((count,),) = bench.query("SELECT sum(images) FROM tasks WHERE stage = 'encode'")
    return int(count or 0)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, weights: Path, parts_folder: Path, cluster: str
) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("finished"))
    bench.run("submit", "--grid", bench.grid(grid(parts_folder, weights)), "--address", cluster)
    return bench


def test_every_image_is_encoded_once(finished: Bench) -> None:
    """12 test images, and the train images that any seed and K drew; and the plan had said so."""
    drawn = finished.query(
        "SELECT DISTINCT p.category, q.sample_id FROM prompts q JOIN parts p USING (part_id)"
    )
    assert encoded(finished) == 12 + len(drawn)
    assert len(finished.scores()) == 2 * 2 * 3 * 2 * 6


def test_the_plan_says_how_much_disk_the_features_take(
    finished: Bench, weights: Path, parts_folder: Path, tmp_path: Path
) -> None:
    text = grid(parts_folder, weights)
    planned = Bench(tmp_path).json("plan", "--grid", Bench(tmp_path).grid(text))["feature_bytes"]
    held = sum(s["bytes"] for s in finished.json("cache", "info") if s["name"] != "text")
    assert planned == pytest.approx(held, rel=0.05)
    # What is stored is not counted again: one more category's worth of prompts at K = 5, of 24 stored images.
    more = finished.json(
        "plan", "--grid", finished.grid(grid(parts_folder, weights, shots="[5]"), "more.yaml")
    )
    assert more["new"] > 0
    assert 0 < more["feature_bytes"] < held / 4


def test_what_it_cost_is_on_record(finished: Bench, plain: torch.nn.Module) -> None:
    """Of every method and K: seconds an image, warm and cold, parameters (WinCLIP's with the text side)."""
    rows = {(row["model"], row["shots"]): row for row in read.costs(finished.results)}
    assert rows.keys() == {(model, k) for model in ("patchcore", "winclip") for k in (1, 2, 4)}
    seeing, whole = (sum(p.numel() for p in module.parameters()) for module in (plain.visual, plain))
    for (model, _), row in rows.items():
        assert row["parameters"] == (whole if model == "winclip" else seeing)
        assert (row["n_parts"], row["images"]) == (4, 24)
        assert 0 < row["warm_seconds"] < row["cold_seconds"] < 60
        assert row["peak_memory_mb"] > 10
    # WinCLIP alone pays for its windows.
    ((passes, windows),) = finished.query("SELECT pass_seconds, window_seconds FROM encode_costs")
    extra = [row["cold_seconds"] - row["warm_seconds"] for row in (rows["winclip", 1], rows["patchcore", 1])]
    assert extra[0] - extra[1] == pytest.approx(windows)
    assert extra[1] > passes > 0


@pytest.fixture(scope="module")
def plain(weights: Path) -> torch.nn.Module:
    model: torch.nn.Module = open_clip.create_model(SMALL, pretrained=str(weights), require_pretrained=True)
    return model.eval()


def prepared(path: Path) -> torch.Tensor:
    """An image as torchvision prepares it for CLIP: ``[1, 3, 224, 224]``."""
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

    steps = [
        Resize(224, InterpolationMode.BICUBIC),
        CenterCrop(224),
        ToTensor(),
        Normalize(open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD),
    ]
    found: torch.Tensor = Compose(steps)(Image.open(path)).unsqueeze(0)
    return found


def recorded(bench: Bench, model: str) -> tuple[list[str], dict[str, float]]:
    """Prompts and scores of one part: nut, K = 2, seed 1."""
    ((part,),) = bench.query(
        f"SELECT part_id FROM parts WHERE model = '{model}' AND category = 'nut' AND shots = 2 AND seed = 1"
    )
    prompts = bench.query(f"SELECT sample_id FROM prompts WHERE part_id = '{part}' ORDER BY position")
    assert len(prompts) == 2
    scores = bench.query(f"SELECT sample_id, score FROM scores WHERE part_id = '{part}'")
    return [sample for (sample,) in prompts], dict(scores)


TESTED = ("nut/test/good/000.png", "nut/test/scratch/002.png")  # the oracles take seconds for one


def test_scores_are_patchcores(finished: Bench, plain: torch.nn.Module, parts_folder: Path) -> None:
    """One part again by hand: torchvision's preprocessing, the plain model, the literal oracle."""
    from oracles import patchcore as oracle

    def maps(name: str) -> list[np.ndarray]:
        with torch.inference_mode():
            found = plain.visual.forward_intermediates(
                prepared(parts_folder / name), indices=[6, 8, 10], output_fmt="NCHW"
            )
        return [layer[0].half().double().numpy() for layer in found["image_intermediates"]]

    prompts, stored = recorded(finished, "patchcore")
    width = 3 * 384
    bank = np.concatenate([oracle.local_features(maps(prompt)).reshape(-1, width) for prompt in prompts])
    for name in TESTED:
        expected, _ = oracle.score(oracle.local_features(maps(name)), bank)
        assert stored[name] == pytest.approx(expected, rel=1e-4)


def test_scores_are_winclips(finished: Bench, plain: torch.nn.Module, parts_folder: Path) -> None:
    """The same for WinCLIP, with windows as masks on the attention and the prompts written out."""
    from oracles import winclip as oracle

    side = 7
    visual = plain.visual

    def masked(tokens: torch.Tensor, windows: list[list[int]]) -> torch.Tensor:
        """Tokens after the last block, once for each window: all may look only at the class token and it."""
        mask = torch.full((len(windows), 1 + side * side, 1 + side * side), -torch.inf)
        for row, window in zip(mask, windows, strict=True):
            row[:, [0, *(patch + 1 for patch in window)]] = 0
        heads = visual.transformer.resblocks[0].attn.num_heads
        tokens = tokens.expand(len(windows), -1, -1)
        for block in visual.transformer.resblocks:
            tokens = block(tokens, attn_mask=mask.repeat_interleave(heads, dim=0))
        return tokens

    def features(name: str) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The image's embedding, and what is compared: windows of 2x2 and 3x3 patches, and patches."""
        with torch.inference_mode():
            tokens = visual.conv1(prepared(parts_folder / name)).flatten(2).transpose(1, 2)
            tokens = torch.cat([visual.class_embedding.expand(1, 1, -1), tokens], dim=1)
            tokens = visual.ln_pre(tokens + visual.positional_embedding)
            small, medium = (
                (visual.ln_post(masked(tokens, oracle.windows(side, size))[:, 0]) @ visual.proj).numpy()
                for size in (2, 3)
            )
            (last,) = masked(tokens, [list(range(side * side))])
            image = visual.ln_post(last[0]) @ visual.proj
        return image.double().numpy(), (small, medium, last[1:].numpy())

    def text(states: list[str]) -> np.ndarray:
        looks = ("cropped", "close-up", "bright", "dark", "jpeg corrupted", "blurry")
        templates = [f"a {look} photo of {article} {{}}." for look in looks for article in ("a", "the")]
        templates += [f"a photo of {article} {{}}{end}" for article in ("a", "the") for end in ENDS]
        templates += ["a photo of a small {}.", "a photo of the small {}."]
        templates += ["a photo of a large {}.", "a photo of the large {}."]
        lines = [template.format(state) for template in templates for state in states]
        assert len(lines) == 22 * len(states)
        with torch.inference_mode():
            rows = plain.encode_text(open_clip.get_tokenizer(SMALL)(lines)).double().numpy()
        mean = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0)
        return mean / np.linalg.norm(mean)

    flaws = ("flaw", "defect", "damage")
    normal = text(
        ["nut", "flawless nut", "perfect nut", "unblemished nut", *(f"nut without {f}" for f in flaws)]
    )
    anomalous = text(["damaged nut", *(f"nut with {f}" for f in flaws)])
    names, stored = recorded(finished, "winclip")
    shown = [features(name)[1] for name in names]
    prompts = tuple(np.concatenate([each[kind] for each in shown]) for kind in range(3))
    for name in TESTED:
        image, compared = features(name)
        image = image / np.linalg.norm(image)
        prior = 1 / (1 + np.exp(100 * (image @ normal - image @ anomalous)))
        expected = oracle.image_score(prior, oracle.association_map(compared, prompts))
        assert stored[name] == pytest.approx(expected, abs=1e-4)


ENDS = (".", " for visual inspection.", " for anomaly detection.")


def test_the_same_bits_with_more_workers_cold_and_warm(
    finished: Bench, tmp_path: Path, weights: Path, parts_folder: Path, cluster: str
) -> None:
    """The cluster has two workers, each on a node of its own."""
    kept = finished.scores()
    path = grid(parts_folder, weights, shots="[1, 2]")
    cold = Bench(tmp_path / "cold")
    cold.run("submit", "--grid", cold.grid(path), "--workers", "1")
    found = cold.scores()
    assert len(found) == len(kept) * 2 // 3
    assert found == {key: kept[key] for key in found}
    warm = Bench(tmp_path / "warm")
    shutil.copytree(finished.folder / "gad-cache", warm.folder / "gad-cache")
    (shard, *_) = sorted((warm.folder / "gad-cache" / "features").rglob("*.npy"))
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(bytes(content))
    warm.run("submit", "--grid", warm.grid(path), "--address", cluster)
    assert warm.scores() == found


def test_missing_weights_are_refused_and_planned(tmp_path: Path, parts_folder: Path, cluster: str) -> None:
    bench = Bench(tmp_path)
    path = bench.grid(grid(parts_folder, tmp_path / "gone.pt", models="[patchcore, pixel-knn]"))
    plan = bench.json("plan", "--grid", path)
    assert (plan["invalid_jobs"], plan["new"]) == (6, 12)
    bad = bench.run("submit", "--grid", path, code=1)
    assert "weights of" in bad.stderr
    assert "gone.pt" in bad.stderr
    assert "Nothing was started" in bad.stderr
    only = ("--only", "model=pixel-knn,shots=2,seed=0")
    bench.run("submit", "--grid", path, *only, "--address", cluster)


def test_other_weights_are_another_method(tmp_path: Path, parts_folder: Path, weights: Path) -> None:
    bench = Bench(tmp_path)
    other = tmp_path / "other.pt"
    shutil.copy(weights, other)
    first = bench.json("plan", "--grid", bench.grid(grid(parts_folder, weights, models="[patchcore]")))
    assert first["encode_images"] <= 24
    torch.manual_seed(1)
    torch.save(open_clip.create_model(SMALL, pretrained=None).state_dict(), other)
    text = grid(
        parts_folder,
        weights,
        models=f"[patchcore, {{name: patchcore, options: {{backbone: '{SMALL}:{other}'}}}}]",
    )
    second = bench.json("plan", "--grid", bench.grid(text))
    assert second["parts"] == 2 * first["parts"]
    assert second["encode_images"] == 2 * first["encode_images"]
