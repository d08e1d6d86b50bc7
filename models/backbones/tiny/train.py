"""Trains the tiny backbone on generated images and captions.

    python -m gad.models.backbones.tiny.train --out DIR [--minutes N | --steps N]

Every random number follows from ``--seed``. How many steps fit into a number of minutes depends on the
machine; ``--steps`` fixes it. The weights are written (whole or not at all) every two minutes.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from gad.harness import atomic
from gad.models.backbones.tiny import captions, objectives
from gad.models.backbones.tiny.batches import FAMILIES, GLYPHS, Drawings, Generator, Surfaces
from gad.models.backbones.tiny.evaluate import build, depths, load, look, on_validation

GROUPS = 10  # surfaces in a batch, four images of each
CANVASES = 900
RATE, DECAY, WARM = 1.2e-3, 0.02, 40  # of AdamW; steps until the full rate
POS, BRANCH = 0.3, 1.0  # strengths at the start
LONGEST = 40  # tokens of a training caption: short rows are cheap
SAVE_EVERY = 120.0  # seconds
WEIGHTS = {
    "patch": 1.0, "rank": 1.0, "strange": 1.0, "glyph": 1.0, "order": 1.0, "readers": 1.0,
    "state": 2.0, "family": 0.3, "kind": 0.3, "name": 0.5, "presence": 0.2,
}  # fmt: skip
RESIDUALS = ("patch", "rank", "strange", "glyph", "order")


def waves(size: int, count: int) -> Tensor:
    """The ``count`` lowest two-dimensional cosines on a square, ``[count, size, size]``, finer ones stronger."""
    line = (torch.arange(size) + 0.5) * math.pi / size
    order = sorted(
        ((i, j) for i in range(size) for j in range(size)), key=lambda ij: (ij[0] ** 2 + ij[1] ** 2, ij)
    )
    # Fine detail is weak in pictures: what grows with frequency makes all inputs about equally strong.
    return torch.stack(
        [
            (1 + math.hypot(i, j)) / size * (i * line).cos()[:, None] * (j * line).cos()[None]
            for i, j in order[:count]
        ]
    )


def prepare(model: Any) -> None:
    """Start from cosines, in the patches and over the positions, and from small residual branches."""
    visual = model.visual
    width, _, patch, _ = visual.conv1.weight.shape
    axes = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]]) / 3
    filters = [
        axis[:, None, None] * wave[None]
        for axis, count in zip(axes, (width // 2, width // 4, width // 4), strict=True)
        for wave in waves(patch, count)
    ]
    with torch.no_grad():
        visual.conv1.weight.copy_(torch.stack(filters))
        positions = waves(visual.grid_size[0], visual.positional_embedding.shape[1] // 2).flatten(1).T
        visual.positional_embedding[1:] = POS * torch.cat([positions, positions.flip(0)], 1)
        for tower in (visual.transformer, model.transformer):
            for block in tower.resblocks:
                for weight in (block.attn.in_proj_weight, block.mlp.c_fc.weight):
                    torch.nn.init.xavier_uniform_(weight)
                for weight in (block.attn.out_proj.weight, block.mlp.c_proj.weight):
                    torch.nn.init.normal_(
                        weight, std=BRANCH * (weight.shape[1] * len(tower.resblocks)) ** -0.5
                    )


def read(model: Any, texts: list[str]) -> Tensor:
    """Unit embeddings of captions, cut after LONGEST tokens (``encode_text`` takes only full rows)."""
    from open_clip import tokenize
    from open_clip.transformer import text_global_pool

    tokens = tokenize(texts)[:, :LONGEST]
    x = model.token_embedding(tokens) + model.positional_embedding[:LONGEST]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:LONGEST, :LONGEST]))
    pooled = text_global_pool(x, tokens, model.text_pool_type)
    return F.normalize(pooled @ model.text_projection, dim=-1)


def losses(
    model: Any, heads: objectives.Heads, rng: np.random.Generator, s: Surfaces, d: Drawings
) -> dict[str, Tensor]:
    """All losses of one batch by name."""
    images = torch.cat([s.images.flatten(0, 1), d.images.flatten(0, 1)])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        tokens, seen = look(model, images)
    seen = F.normalize(seen.float(), dim=-1)
    count = s.images.shape[0] * 4
    on_surfaces = [t[:count].unflatten(0, s.images.shape[:2]) for t in tokens]
    on_drawings = [t[count:].unflatten(0, d.images.shape[:2]) for t in tokens]
    objects = [captions.object_name(rng, FAMILIES[int(f)]) for f in s.families]
    texts = [captions.state(rng, name, flawed) for name in objects for flawed in (False, True)]
    texts += captions.families(rng) + captions.flaws(rng, objects[0]) + captions.glyph_captions(rng)
    texts += [text for g in d.glyphs for text in captions.presence(rng, GLYPHS[int(g)])]
    sizes = [2 * len(objects), len(FAMILIES), len(captions.MARKS), len(GLYPHS), 2 * len(d.glyphs)]
    states, families, kinds, names, presence = read(model, texts).split(sizes)
    of_surfaces, of_drawings = (
        seen[:count].unflatten(0, s.images.shape[:2]),
        seen[count:].unflatten(0, d.images.shape[:2]),
    )
    return {
        **objectives.surface_residual(heads, on_surfaces, s),
        **objectives.glyph_residual(heads, on_drawings),
        "readers": objectives.readers(heads, on_surfaces, on_drawings, s, d),
        **objectives.surface_captions(heads, of_surfaces, states.unflatten(0, (-1, 2)), families, kinds, s),
        **objectives.glyph_captions(heads, of_drawings, names, presence.unflatten(0, (-1, 2)), d),
    }


def weight(name: str, done: float) -> float:
    """Weight of a loss: the residuals count little until the readers have given the tokens a meaning."""
    return WEIGHTS[name] * (min(1.0, 0.3 + 2.5 * done) if name in RESIDUALS else 1.0)


def save(model: Any, folder: Path) -> None:
    """fp16 weights; ``logit_scale`` is what zero-shot use takes."""
    from safetensors.torch import save as encoded

    state = {name: value.detach().half().contiguous() for name, value in model.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(folder / "tiny.safetensors", encoded(state))


def train(
    out: Path, minutes: float, steps: int | None, seed: int, canvases: int, start: Path | None = None
) -> dict[str, float]:
    """Train, write ``tiny.safetensors`` into ``out`` and return the validation figures."""
    began = time.monotonic()
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed + 1)
    if start is None:
        model = build()
        prepare(model)
    else:
        model = load(start).train()
    heads = objectives.Heads(model.visual.conv1.out_channels, len(depths(1)))
    with torch.no_grad():
        model.logit_scale.fill_(math.log(objectives.SCALE))
    model.logit_scale.requires_grad_(False)
    generator = Generator(seed, canvases, model.visual.image_size[0], model.visual.patch_size[0])
    parameters = [p for p in [*model.parameters(), *heads.parameters()] if p.requires_grad]
    slow = [p for p in parameters if p is not heads.scale and p is not heads.offset]
    groups = [
        {"params": [p for p in slow if p.ndim > 1], "weight_decay": DECAY},
        {"params": [p for p in slow if p.ndim <= 1], "weight_decay": 0.0},
        # Scales and offsets of the residuals have far to go.
        {"params": [heads.scale, heads.offset], "weight_decay": 0.0, "times": 10.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98), fused=True)
    print(f"canvases drawn after {time.monotonic() - began:.0f} s", flush=True)
    step, saved, done = 0, time.monotonic(), 0.0
    running: dict[str, float] = {}
    while done < 1:
        rate = RATE * min(1.0, (step + 1) / WARM) * (0.5 + 0.5 * math.cos(math.pi * done))
        for group in optimiser.param_groups:
            group["lr"] = rate * group.get("times", 1.0)
        with sdpa_kernel(SDPBackend.MATH):  # the flash kernel's backward pass is slow on CPUs
            parts = losses(model, heads, rng, generator.surfaces(GROUPS), generator.drawings())
            total = torch.stack([weight(name, done) * value for name, value in parts.items()]).sum()
            optimiser.zero_grad(set_to_none=True)
            total.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        step += 1
        elapsed = time.monotonic() - began
        done = step / steps if steps else elapsed / (60 * minutes)
        for name, part in parts.items():
            now = part.item()
            running[name] = 0.95 * running.get(name, now) + 0.05 * now
        if step % 50 == 0:
            shown = " ".join(f"{name} {value:.3f}" for name, value in running.items())
            print(f"step {step} after {elapsed:.0f} s: {shown}", flush=True)
        if time.monotonic() - saved > SAVE_EVERY:
            save(model, out)
            saved = time.monotonic()
    save(model, out)
    print(f"trained {step} steps in {(time.monotonic() - began) / 60:.1f} minutes", flush=True)
    figures = on_validation(model.eval())
    for name, value in figures.items():
        print(f"{name:36} {value:.3f}")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--steps", type=int, help="train so many steps, however long they take")
    parser.add_argument("--start", type=Path, help="folder of weights to go on from; the heads start anew")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--canvases", type=int, default=CANVASES, help="surfaces to draw before training")
    options = parser.parse_args()
    train(options.out, options.minutes, options.steps, options.seed, options.canvases, options.start)


if __name__ == "__main__":
    main()
