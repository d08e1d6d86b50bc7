"""What each part of InCTRL gets from the tiny backbone, on the bundled data.

    python -m gad.models.backbones.tiny.evaluate [--data DIR] [--validation]

prints the mean AUROC over categories and seeds of the patch residual and the text prior alone. With
``--validation`` it uses what training may look at: other surfaces and digits drawn by this package.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch import Tensor

HERE = Path(__file__).parent
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SHOTS, SEEDS = 4, (0, 1, 2)


def build(config: Path = HERE / "config.json") -> Any:
    """open_clip's model of the configuration, with open_clip's random weights."""
    from open_clip.model import CLIP

    return CLIP(**json.loads(config.read_text()))


def load(folder: Path = HERE) -> Any:
    """The trained model, in fp32, in evaluation mode."""
    from safetensors.torch import load_file

    model = build()
    model.load_state_dict(load_file(folder / "tiny.safetensors"), strict=True)
    return model.float().eval()


def depths(layers: int) -> tuple[int, ...]:
    """The layers (from 1) whose patch tokens are compared: at 7/12, 9/12 and 11/12 of the depth."""
    return tuple(round(layers * part / 12) for part in (7, 9, 11))


def normalised(images: Tensor) -> Tensor:
    """Images 0..1 as CLIP's vision tower wants them."""
    return (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def look(model: Any, images: Tensor) -> tuple[list[Tensor], Tensor]:
    """Patch tokens after three of the blocks ``[n, patches, width]`` and embeddings ``[n, d]`` of images 0..1."""
    blocks = model.visual.transformer.resblocks
    kept: list[Tensor] = []
    hooks = [
        blocks[depth - 1].register_forward_hook(lambda _module, _inputs, output: kept.append(output[:, 1:]))
        for depth in depths(len(blocks))
    ]
    try:
        embedding = model.visual(normalised(images))
    finally:
        for hook in hooks:
            hook.remove()
    return kept, embedding


def features(model: Any, pixels: list[NDArray[np.uint8]]) -> tuple[list[Tensor], Tensor]:
    """The same for a list of ``[size, size, 3]``, in batches and without gradients; tokens are normalised."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(pixels), 100):
            some = torch.from_numpy(np.stack(pixels[start : start + 100])).permute(0, 3, 1, 2) / 255
            parts.append(look(model, some))
    layers = [torch.cat(layer) for layer in zip(*(tokens for tokens, _ in parts), strict=True)]
    return [F.normalize(layer, dim=-1) for layer in layers], torch.cat([e for _, e in parts])


def patch_residual(queries: list[Tensor], prompts: list[Tensor]) -> Tensor:
    """Maximum over patches of the mean over layers of the distance to the nearest patch of any prompt."""
    maps = []
    for query, prompt in zip(queries, prompts, strict=True):
        bank = prompt.flatten(0, 1).T
        maps.append(torch.cat([0.5 * (1 - (some @ bank).amax(-1)) for some in query.split(100)]))
    return torch.stack(maps).mean(0).amax(-1)


def text_prior(model: Any, embeddings: Tensor, name: str) -> Tensor:
    """Zero-shot: the share of the flawed texts of WinCLIP's ensemble, for an object of that name."""
    from open_clip import tokenize

    from gad.models.backbones.tiny.captions import ANOMALOUS, NORMAL, TEMPLATES

    sides = []
    with torch.inference_mode():
        for states in (NORMAL, ANOMALOUS):
            texts = [template.format(state.format(name)) for state in states for template in TEMPLATES]
            encoded = F.normalize(model.encode_text(tokenize(texts)), dim=-1)
            sides.append(F.normalize(encoded.mean(0), dim=-1))
        cosines = F.normalize(embeddings, dim=-1) @ torch.stack(sides).T
    return torch.softmax(100 * cosines, dim=-1)[:, 1]


def resized(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """CLIP's preprocessing as far as 8 bits: short side, bicubic, centre, RGB."""
    from gad.harness.images import to_pixels
    from gad.harness.nouns import ImageInput

    return to_pixels(image, ImageInput(size=side))


def on_dataset(model: Any, data: Path, name: str) -> dict[str, float]:
    """Mean AUROC of both scores on a bundled dataset under the harness's protocol."""
    from gad.datasets.prepare import ensure_bundled
    from gad.harness import manifest
    from gad.harness.images import open_image
    from gad.harness.prompts import draw

    prepared = ensure_bundled(name, data)
    side = model.visual.image_size[0]
    residual, prior = [], []
    for category in prepared.categories:
        samples = manifest.read_samples(prepared, category=category.category)
        tests = [s for s in samples if s.split == "test"]
        normals = [s for s in samples if s.split == "train" and s.label == 0]
        picked = [draw(name, category.category, seed, normals, SHOTS).samples for seed in SEEDS]
        everything = [*tests, *(s for samples in picked for s in samples)]
        pixels = [resized(open_image(prepared.root_path, s), side) for s in everything]
        tokens, embeddings = features(model, pixels)
        labels = [s.label for s in tests]
        queries = [layer[: len(tests)] for layer in tokens]
        for seed in range(len(SEEDS)):
            start = len(tests) + SHOTS * seed
            prompts = [layer[start : start + SHOTS] for layer in tokens]
            residual.append(roc_auc_score(labels, patch_residual(queries, prompts)))
        prior.append(roc_auc_score(labels, text_prior(model, embeddings[: len(tests)], category.text)))
    return {"patch residual": float(np.mean(residual)), "text prior": float(np.mean(prior))}


def on_validation(model: Any) -> dict[str, float]:
    """The same on the surfaces of ``textures-auxiliary`` and on drawn digits; K = 4, one draw of prompts."""
    from gad.datasets.texture_drawing import draw
    from gad.datasets.texture_kinds import surfaces_of
    from gad.models.backbones.tiny.glyphs import DIGITS, digits_8x8

    side = model.visual.image_size[0]
    residual, prior = [], []
    for name, surface in surfaces_of("textures-auxiliary").items():
        wanted = [("good", i) for i in range(SHOTS + 12)] + [
            (d, i) for d in surface.defects for i in range(4)
        ]
        drawn = [draw("textures-auxiliary", name, "train", kind, i)[0] for kind, i in wanted]
        tokens, embeddings = features(model, [resized(Image.fromarray(image), side) for image in drawn])
        labels = [kind != "good" for kind, _ in wanted[SHOTS:]]
        scores = patch_residual([t[SHOTS:] for t in tokens], [t[:SHOTS] for t in tokens])
        residual.append(roc_auc_score(labels, scores))
        prior.append(roc_auc_score(labels, text_prior(model, embeddings[SHOTS:], name)))
    rng = np.random.default_rng(20260101)
    names = [digit for digit in DIGITS for _ in range(SHOTS + 12)]
    drawings = (255 * digits_8x8(rng, names, side)).round().byte().permute(0, 2, 3, 1).numpy()
    tokens, _ = features(model, list(drawings))
    by_digit = [layer.unflatten(0, (len(DIGITS), SHOTS + 12)) for layer in tokens]
    queries = [layer[:, SHOTS:].flatten(0, 1) for layer in by_digit]
    digits = [
        roc_auc_score(
            np.arange(len(DIGITS)).repeat(12) != digit,
            patch_residual(queries, [layer[digit, :SHOTS] for layer in by_digit]),
        )
        for digit in range(len(DIGITS))
    ]
    return {
        "digits patch residual": float(np.mean(digits)),
        "surfaces patch residual": float(np.mean(residual)),
        "surfaces text prior": float(np.mean(prior)),
    }


def on_bundled(model: Any, data: Path) -> dict[str, float]:
    """The three figures of the card."""
    digits, textures = (on_dataset(model, data, name) for name in ("digits-one-vs-all", "textures"))
    return {
        "digits-one-vs-all patch residual": digits["patch residual"],
        "textures patch residual": textures["patch residual"],
        "textures text prior": textures["text prior"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="prepared data; a temporary folder if not given")
    parser.add_argument("--weights", type=Path, default=HERE, help="folder of tiny.safetensors")
    parser.add_argument("--validation", action="store_true")
    options = parser.parse_args()
    model = load(options.weights)
    with tempfile.TemporaryDirectory() as temporary:
        data = options.data or Path(temporary)
        figures = on_validation(model) if options.validation else on_bundled(model, data)
    for name, value in figures.items():
        print(f"{name:36} {value:.3f}")


if __name__ == "__main__":
    main()
